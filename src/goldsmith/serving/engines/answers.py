"""What engines answer, read: completions, server-sent events, errors and metrics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of an answer and the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    text: str
    finish_reason: str
    """`stop` or `length`."""
    tokens_in: int
    tokens_out: int
    logprobs: tuple[TokenLogprob, ...] = ()
    """Empty unless they were asked for."""
    model: str = ""
    """The name under which the engine answered."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer; the last one has a finish reason and the tokens."""

    text: str
    finish_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What an engine is busy with."""

    running: int
    """Requests that decode."""
    waiting: int
    """Requests that wait for a slot."""
    kv_use: float
    """Share of its cache in use, 0..1."""


class StreamedError(ValueError):
    """An error that the engine sent inside a stream, in its own words."""


def read_answer(body: Mapping[str, Any]) -> Answer:
    """The answer in a (chat) completion; ValueError, LookupError or TypeError if it is none."""
    choice, usage = body["choices"][0], body["usage"]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Answer(
        text=str(text or ""),
        finish_reason=str(choice["finish_reason"]),
        tokens_in=int(usage["prompt_tokens"]),
        tokens_out=int(usage["completion_tokens"]),
        logprobs=_read_logprobs(choice.get("logprobs")),
        model=str(body.get("model", "")),
    )


def read_piece(event: Mapping[str, Any], *, before: Piece | None) -> Piece:
    """The piece in one event; `before` is the piece that had the finish reason, if any yet."""
    if "error" in event:
        raise StreamedError(read_error(json.dumps(event).encode()) or "it sent an error")
    usage = event.get("usage") or {}
    choice = event["choices"][0] if event.get("choices") else {}
    delta = choice.get("delta") or {}
    before = before or Piece("")
    return Piece(
        text=before.text + str(delta.get("content") or choice.get("text") or ""),
        finish_reason=str(choice.get("finish_reason") or before.finish_reason),
        tokens_in=int(usage.get("prompt_tokens", before.tokens_in)),
        tokens_out=int(usage.get("completion_tokens", before.tokens_out)),
        logprobs=before.logprobs + _read_logprobs(choice.get("logprobs")),
    )


def _read_logprobs(logprobs: Mapping[str, Any] | None) -> tuple[TokenLogprob, ...]:
    """Of a chat (`content`) or of a completion (`tokens` beside `token_logprobs`)."""
    if not logprobs:
        return ()
    if "content" in logprobs:
        rows = [(row["token"], row["logprob"]) for row in logprobs["content"] or ()]
    else:
        rows = list(zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True))
    return tuple(TokenLogprob(str(token), float(logprob)) for token, logprob in rows)


async def read_events(lines: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of a server-sent stream, up to `[DONE]`."""
    async for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if not isinstance(event, dict):
            raise ValueError(f"an event is no object: {data[:80]!r}")
        yield event


def read_error(body: bytes) -> str:
    """The message of an error in OpenAI's shape, or the start of a text."""
    try:
        error = json.loads(body)
        error = error.get("error", error) if isinstance(error, dict) else error
        message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    except ValueError:
        message = body.decode(errors="replace")
    return " ".join(str(message or "").split())[:300]


def read_metric(body: bytes, name: str) -> list[float]:
    """The values of a metric in Prometheus' text form, one for each set of labels."""
    values = []
    for line in body.decode(errors="replace").splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            values.append(float(line.rsplit(" ", 1)[1]))
    return values


def read_vllm_load(body: bytes, *, kv_use: tuple[str, ...]) -> LoadFigures:
    """The load in vLLM's metrics, over all its engine cores; ValueError if they are not there."""
    running = read_metric(body, "vllm:num_requests_running")
    waiting = read_metric(body, "vllm:num_requests_waiting")
    shares = [value for name in kv_use for value in read_metric(body, name)]
    if not running or not waiting:
        raise ValueError("no vllm:num_requests_running among its metrics")
    return LoadFigures(int(sum(running)), int(sum(waiting)), max(shares, default=0.0))
