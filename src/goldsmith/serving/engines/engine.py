"""`Engine` speaks to a server of one model: generate, stream, logprobs, adapters, health, load.

All engines speak the OpenAI API; a subclass holds what differs: names of metrics, start command,
environment, and in `lacks` what it cannot do.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from goldsmith.errors import EngineError
from goldsmith.serving.engines import answers
from goldsmith.serving.engines.answers import Answer, LoadFigures, Piece, TokenLogprob

__all__ = [
    "Answer",
    "Engine",
    "EngineError",
    "LoadFigures",
    "Piece",
    "Request",
    "StartOptions",
    "TokenLogprob",
]

_DOWN = (aiohttp.ClientError, OSError)
"""What a server that is gone, slow or broken raises; TimeoutError is an OSError."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an engine is asked: a chat if there are `messages`, else the `prompt` is continued."""

    model: str
    """The base model's served name, or a loaded adapter's."""
    messages: Sequence[Mapping[str, str]] = ()
    prompt: str = ""
    max_tokens: int = 256
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    """Left out where the engine lacks `seed`."""
    logprobs: bool = False

    @property
    def path(self) -> str:
        """Where it is sent."""
        return "/v1/chat/completions" if self.messages else "/v1/completions"

    def body(self, *, stream: bool, lacks: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The OpenAI body, without what the engine lacks."""
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
        }
        body |= {"messages": list(self.messages)} if self.messages else {"prompt": self.prompt}
        if self.stop:
            body["stop"] = list(self.stop)
        if self.seed is not None and "seed" not in lacks:
            body["seed"] = self.seed
        if self.logprobs:
            body["logprobs"] = True if self.messages else 1
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a server of one model is started."""

    names: tuple[str, ...]
    """What the base model is called; the first is what answers carry."""
    host: str = "127.0.0.1"
    context: int = 1024
    """Tokens of prompt and answer together."""
    slots: int = 16
    """Requests that decode at once."""
    adapters_root: Path | None = None
    """Only adapters below it are loaded; None: no adapters."""
    max_loras: int = 4
    max_lora_rank: int = 16
    cpu: bool = False
    """The engine runs without an accelerator."""


class Engine(ABC):
    """A client of one server; its calls raise EngineError, `health` none."""

    name: ClassVar[str]
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Of `adapters`, `seed` and `names`: what it cannot do or must not be asked.

    Without `names` it answers to any `model` under its only one.
    """
    load_path: ClassVar[str] = "/metrics"

    def __init__(
        self, url: str, session: aiohttp.ClientSession, *, timeout_s: float = 60.0
    ) -> None:
        self.url, self._session = url.rstrip("/"), session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    @classmethod
    @abstractmethod
    def command(cls, model_dir: Path, port: int, options: StartOptions) -> list[str]:
        """The program and arguments that serve a model folder on a port."""

    @classmethod
    def environment(cls, options: StartOptions) -> dict[str, str]:
        """Variables that its process needs besides the caller's."""
        return {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

    @abstractmethod
    def read_load(self, body: bytes) -> LoadFigures:
        """The load in what `load_path` answers; ValueError if it is not there."""

    async def generate(self, request: Request) -> Answer:
        """The whole answer."""
        body = request.body(stream=False, lacks=self.lacks)
        data = await self._call("POST", request.path, body)
        try:
            return answers.read_answer(json.loads(data))
        except (ValueError, LookupError, TypeError) as error:
            raise self._rubbish(request.path, error) from error

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """The answer as it is written; the last piece has the finish reason and the tokens."""
        body = request.body(stream=True, lacks=self.lacks)
        end: Piece | None = None
        try:
            async with self._open("POST", request.path, body) as response:
                await self._check(response, request.path)
                async for event in answers.read_events(response.content):
                    piece = answers.read_piece(event, before=end)
                    if piece.finish_reason:
                        end = piece
                    else:
                        yield piece
        except EngineError:
            raise
        except _DOWN as error:
            raise self._down(error) from error
        except (ValueError, LookupError, TypeError) as error:
            raise self._rubbish(request.path, error) from error
        if end is None:
            raise EngineError(self._what, why="its stream broke off", fix="ask again")
        yield end

    async def logprobs(self, request: Request) -> tuple[TokenLogprob, ...]:
        """The tokens of the answer, each with its log-probability."""
        return (await self.generate(replace(request, logprobs=True))).logprobs

    async def load_adapter(self, name: str, path: Path | str) -> None:
        """Load the adapter in a folder that the server sees; it is asked for by `name`."""
        body = {"lora_name": name, "lora_path": str(path)}
        await self._adapters("/v1/load_lora_adapter", body)

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter; requests that run keep it."""
        await self._adapters("/v1/unload_lora_adapter", {"lora_name": name})

    async def _adapters(self, path: str, body: dict[str, Any]) -> None:
        if "adapters" in self.lacks:
            why = f"{self.name} loads no adapters while it runs"
            raise EngineError(self._what, why=why, fix="serve a merged model, or use vllm")
        await self._call("POST", path, body)

    async def models(self) -> list[str]:
        """Names that `model` may have: the base model's, then the loaded adapters'."""
        data = await self._call("GET", "/v1/models")
        try:
            return [str(model["id"]) for model in json.loads(data)["data"]]
        except (ValueError, LookupError, TypeError) as error:
            raise self._rubbish("/v1/models", error) from error

    async def health(self) -> bool:
        """Whether it answers that it is well; never raises."""
        try:
            async with self._open("GET", "/health") as response:
                return bool(response.status == 200)
        except _DOWN:
            return False

    async def load(self) -> LoadFigures:
        """What it is busy with."""
        data = await self._call("GET", self.load_path)
        try:
            return self.read_load(data)
        except (ValueError, LookupError, TypeError) as error:
            raise self._rubbish(self.load_path, error) from error

    @property
    def _what(self) -> str:
        return f"{self.name} at {self.url}"

    def _open(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._session.request(method, self.url + path, json=body, timeout=self._timeout)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        try:
            async with self._open(method, path, body) as response:
                await self._check(response, path)
                data: bytes = await response.read()
                return data
        except EngineError:
            raise
        except _DOWN as error:
            raise self._down(error) from error

    async def _check(self, response: aiohttp.ClientResponse, path: str) -> None:
        if response.status != 200:
            why = answers.read_error(await response.read()) or f"HTTP {response.status}"
            raise EngineError(f"{self._what}{path}", why=why, status=response.status)

    def _down(self, error: Exception) -> EngineError:
        why = str(error) or type(error).__name__
        return EngineError(self._what, why=why, fix="see whether its server runs")

    def _rubbish(self, path: str, error: Exception) -> EngineError:
        if isinstance(error, answers.StreamedError):
            return EngineError(self._what + path, why=str(error), status=500)
        why = f"its answer is not OpenAI's ({type(error).__name__}: {error})"
        return EngineError(self._what + path, why=why, fix="check the engine's version")
