"""The golden prompt: whether an engine answers with the adapter that it says it loaded.

A fingerprint is the greedy answer to a fixed prompt, token by token with log-probabilities. The
first replica that loads a version gives the reference; every other must agree, and no adapter may
answer exactly as its base model does.
"""

from __future__ import annotations

from dataclasses import dataclass

from goldsmith.errors import IntegrityError
from goldsmith.serving.engines import Engine, Request

_TOKENS = 8
_TOLERANCE = 0.1
"""Of a log-probability: bfloat16 kernels differ by batch; another adapter differs by far more."""


@dataclass(frozen=True)
class Fingerprint:
    """How a model answers the golden prompt."""

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]


async def fingerprint(engine: Engine, model: str, prompt: str) -> Fingerprint:
    """Ask for it; EngineError if the engine does not answer."""
    messages = ({"role": "user", "content": prompt},)
    found = await engine.logprobs(Request(model=model, messages=messages, max_tokens=_TOKENS))
    return Fingerprint(tuple(each.token for each in found), tuple(each.logprob for each in found))


def check(
    name: str, found: Fingerprint, *, base: Fingerprint, reference: Fingerprint | None
) -> None:
    """IntegrityError if `found` is not the answer of the adapter `name`."""
    if not found.tokens:
        raise IntegrityError(f"adapter {name} is not used", why="it answers nothing")
    if found == base:
        raise IntegrityError(
            f"adapter {name} is not used",
            why="its answer to the golden prompt is exactly the base model's",
            fix="check that it was trained, and for this base model",
        )
    if reference is not None and not _agree(found, reference):
        raise IntegrityError(
            f"adapter {name} is not used",
            why="its answer to the golden prompt is not that of the other replicas",
        )


def _agree(one: Fingerprint, other: Fingerprint) -> bool:
    pairs = zip(one.logprobs, other.logprobs, strict=True)
    return one.tokens == other.tokens and all(abs(a - b) <= _TOLERANCE for a, b in pairs)
