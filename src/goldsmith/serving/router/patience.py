"""How long a request may stay without its first byte, before it is hedged, moved or given up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.router.ask import USUAL_ANSWER, Ask
from goldsmith.serving.routing.decision import Decision

LEAST_HEDGE_S, LEAST_OVERDUE_S = 0.02, 0.5
OVERDUE_TIMES, WHOLE_TIMES, LENGTH_TIMES = 6.0, 3.0, 2.0
"""Overdue: so many times the prediction, or the slowest whole answer of late."""
LEAST_WHOLE_HEDGE_S, WHOLE_HEDGE_TIMES = 0.25, 1.5
"""A whole answer is hedged after so many times the slowest of late."""
DECAY, ENOUGH = 0.98, 8


@dataclass(slots=True)
class Whole:
    """Of a tier's whole answers: the slowest of late, in all and per token."""

    count: int = 0
    slowest_s: float = 0.0
    slowest_token_s: float = 0.0


class Times(NamedTuple):
    """In seconds after it was sent."""

    hedge_s: float
    overdue_s: float
    """Then its replica is suspected, and it moves if the replica is silent altogether."""
    give_up_s: float


class Patience:
    """Knows how long answers take; a stream is judged by its first token, others as a whole."""

    def __init__(self, config: ServingConfig) -> None:
        self._limit_s = config.router.first_byte_timeout_ms / 1e3
        self._hedges = config.router.hedge_share > 0
        self._whole: dict[str, Whole] = {tier: Whole() for tier in config.tiers}
        self._decode: dict[str, float] = {
            tier: settings.decode_tokens_per_s for tier, settings in config.tiers.items()
        }

    def times(self, ask: Ask, decision: Decision) -> Times:
        """For one request at the tier that was decided on."""
        if ask.stream:
            predicted_s = decision.predicted_ttft_ms / 1e3
            hedge_s = max(LEAST_HEDGE_S, predicted_s) if self._hedges else math.inf
            overdue_s = max(LEAST_OVERDUE_S, OVERDUE_TIMES * predicted_s)
            return Times(hedge_s, overdue_s, self._limit_s)
        tokens = ask.max_tokens or USUAL_ANSWER
        length_s = LENGTH_TIMES * tokens / self._decode[decision.tier]
        slowest_s = self._slowest_s(ask, decision.tier)
        hedge_s = max(LEAST_WHOLE_HEDGE_S, WHOLE_HEDGE_TIMES * slowest_s)
        overdue_s = max(LEAST_OVERDUE_S, WHOLE_TIMES * slowest_s)
        give_up_s = self._limit_s + length_s
        return Times(hedge_s if self._hedges else math.inf, overdue_s, give_up_s)

    def _slowest_s(self, ask: Ask, tier: str) -> float:
        """Of whole answers like this one; infinite while few are known."""
        whole = self._whole[tier]
        if whole.count < ENOUGH:
            return math.inf
        if ask.max_tokens:
            return whole.slowest_token_s * (ask.max_tokens + 1)
        return whole.slowest_s

    def learn(self, tier: str, seconds: float, tokens_out: int) -> None:
        """A whole answer of so many tokens took so long."""
        whole = self._whole[tier]
        whole.count += 1
        whole.slowest_s = max(seconds, DECAY * whole.slowest_s)
        whole.slowest_token_s = max(seconds / (tokens_out + 1), DECAY * whole.slowest_token_s)
