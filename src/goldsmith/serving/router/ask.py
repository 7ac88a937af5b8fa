"""`Ask`: one request, read from its headers and body, with its adapter resolved for good."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any

from goldsmith.config.load import nearest
from goldsmith.serving.router.aliases import Aliases
from goldsmith.serving.router.credentials import Caller
from goldsmith.serving.router.fields import CHAT, COMPLETION, check_fields
from goldsmith.serving.router.hints import Hints
from goldsmith.serving.router.limits import NOTHING, Amount
from goldsmith.serving.router.refusal import Refusal
from goldsmith.serving.router.replica import CHAT_PATH
from goldsmith.serving.routing.features import text_features

AUTO = "auto"
USUAL_ANSWER = 512
"""Tokens that are reserved for an answer whose length nobody bounds."""
_MESSAGE_TOKENS = 4
_START = os.urandom(4).hex()
_NUMBERS = itertools.count()


@dataclass(slots=True, eq=False)
class Ask:
    """What is wanted, by whom, under which conditions."""

    request_id: str
    caller: Caller
    path: str
    """Of the engine's API: chat or completion."""
    body: dict[str, Any]
    hints: Hints
    started: float
    """On time.monotonic."""
    tiers: tuple[str, ...]
    adapter: str
    """Engine-side name; empty: the tier's base model."""
    stream: bool
    wants_usage: bool
    characters: int
    framing_tokens: int
    tokens_in: int
    """Guessed from them."""
    max_tokens: int
    """0: nobody said."""
    features: tuple[int, ...] = ()
    traceparent: str = ""
    reserved: Amount = NOTHING
    is_async: bool = False

    @property
    def prompt(self) -> Any:
        """Messages or text."""
        return self.body["messages" if self.path == CHAT_PATH else "prompt"]


class Reader:
    """Makes an `Ask` of a parsed body."""

    def __init__(self, tiers: tuple[str, ...], aliases: Aliases) -> None:
        self._tiers, self._aliases = tiers, aliases
        self._explicit = {tier: (tier,) for tier in tiers}
        self.tokens_per_character = 0.25
        """Measured from what engines count."""

    def read(
        self,
        body: dict[str, Any],
        *,
        caller: Caller,
        path: str,
        hints: Hints,
        started: float,
        traceparent: str = "",
    ) -> Ask:
        """The ask; Refusal (400, 404)."""
        chat = path == CHAT_PATH
        check_fields(body, CHAT if chat else COMPLETION)
        tiers, adapter = self._model(body["model"])
        characters, extra = _size(body["messages"]) if chat else (len(body["prompt"]), 0)
        limit = (body.get("max_completion_tokens") if chat else None) or body.get("max_tokens")
        options = body.get("stream_options")
        return Ask(
            request_id=f"req-{_START}{next(_NUMBERS):x}",
            caller=caller,
            path=path,
            body=body,
            hints=hints,
            started=started,
            tiers=tiers,
            adapter=adapter,
            stream=bool(body.get("stream")),
            wants_usage=bool(options and options.get("include_usage")),
            characters=characters,
            framing_tokens=extra,
            tokens_in=int(characters * self.tokens_per_character) + extra + 1,
            max_tokens=limit or 0,
            features=() if tiers and hints.min_quality is None else text_features(text_of(body)),
            traceparent=traceparent,
            is_async=hints.is_async,
        )

    def learn(self, ask: Ask, tokens_in: int) -> None:
        """How many tokens the engine counted."""
        counted = tokens_in - ask.framing_tokens
        if ask.characters >= 32 and counted > 0:
            ratio = min(2.0, max(0.05, counted / ask.characters))
            self.tokens_per_character += 0.02 * (ratio - self.tokens_per_character)

    def _model(self, model: str) -> tuple[tuple[str, ...], str]:
        """(the tiers to choose from, none for all; the adapter)."""
        if tiers := self._explicit.get(model):
            return tiers, ""
        if model == AUTO:
            return (), ""
        tier, slash, adapter = model.partition("/")
        if slash and tier in self._explicit:
            return self._explicit[tier], self._aliases.resolve(tier, adapter)
        names = (AUTO, *self._tiers)
        fix = f"{nearest(tier[:64], names)}; an adapter is `tier/adapter`"
        what = f"unknown model {model[:64]!r}"
        raise Refusal(404, "model_not_found", what, fix=fix, param="model")


def _size(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """(characters of the texts, tokens that frame them)."""
    characters = 0
    for message in messages:
        content = message["content"]
        if type(content) is str:
            characters += len(content)
        else:
            characters += sum(len(part["text"]) for part in content)
    return characters, _MESSAGE_TOKENS * len(messages)


def text_of(body: dict[str, Any]) -> str:
    """The prompt as one text."""
    if "prompt" in body:
        return str(body["prompt"])
    texts = []
    for message in body["messages"]:
        content = message["content"]
        texts.append(content if type(content) is str else "".join(p["text"] for p in content))
    return "\n".join(texts)
