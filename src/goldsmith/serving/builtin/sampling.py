"""The next token of each row: greedy or drawn, and its log-probability where a row asks for it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_COLDEST = 0.01
"""Temperatures between 0 and this one would overflow, and differ from it in nothing."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a request's tokens are chosen, and when they end."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: int | None = None
    """How many other tokens are told beside the chosen one; None: no log-probabilities."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen token."""

    token: int
    logprob: float = 0.0
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens and their log-probabilities, if they were asked for."""


@torch.inference_mode()
def choose(
    logits: torch.Tensor, samplings: Sequence[Sampling], randoms: Sequence[random.Random]
) -> list[Choice]:
    """One choice for each row of logits (rows, vocabulary); a row draws from its own numbers."""
    tokens: list[int] = logits.argmax(-1).tolist()
    drawn = [row for row, sampling in enumerate(samplings) if sampling.temperature > 0]
    if drawn:
        points = [randoms[row].random() for row in drawn]
        found = _draw(logits[drawn], [samplings[row] for row in drawn], points)
        for row, token in zip(drawn, found, strict=True):
            tokens[row] = token
    choices = [Choice(token) for token in tokens]
    for row, sampling in enumerate(samplings):
        if sampling.logprobs is not None:
            choices[row] = _with_logprobs(logits[row], tokens[row], sampling.logprobs)
    return choices


def _draw(
    logits: torch.Tensor, samplings: Sequence[Sampling], points: Sequence[float]
) -> list[int]:
    """Inverse-CDF sampling at `points` in [0, 1)."""
    temperatures = torch.tensor([max(_COLDEST, sampling.temperature) for sampling in samplings])
    probabilities = (logits / temperatures[:, None]).softmax(-1)
    if any(sampling.top_p < 1 for sampling in samplings):
        shares = torch.tensor([sampling.top_p for sampling in samplings])
        probabilities = _nucleus(probabilities, shares[:, None])
    cumulative = probabilities.double().cumsum(-1)
    targets = torch.tensor(points, dtype=torch.float64)[:, None] * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, targets, right=True).squeeze(1)
    tokens: list[int] = found.clamp(max=logits.shape[-1] - 1).tolist()
    return tokens


def _nucleus(probabilities: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Without the tokens beyond the smallest set that holds `shares` of the probability."""
    ranked, order = probabilities.sort(-1, descending=True)
    beyond = ranked.cumsum(-1) - ranked >= shares
    beyond[:, 0] = False  # the likeliest one stays
    return torch.zeros_like(probabilities).scatter_(-1, order, ranked.masked_fill(beyond, 0.0))


def _with_logprobs(logits: torch.Tensor, token: int, count: int) -> Choice:
    """Of the model itself: before temperature, as vLLM tells them."""
    logprobs = logits.log_softmax(-1)
    top: tuple[tuple[int, float], ...] = ()
    if count:
        values, ids = logprobs.topk(min(count, len(logprobs)))
        top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
    return Choice(token, float(logprobs[token]), top)
