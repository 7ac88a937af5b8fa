"""Who routes in the scorecard: the real brain, and five others that it is held against."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goldsmith.config.serving import validate_serving
from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.events import Arrived, Ended, FirstByte, Judged, Sent
from goldsmith.serving.routing.features import text_features
from goldsmith.serving.routing.log import DecisionLog
from tests.bench.simulated_tiers import TIERS, Job, Replica, tier_settings
from tests.bench.traces import Request

FLOOR = 0.7
SLO_MS = (300.0, 600.0, 1500.0)
GUESS_NOISE = 0.3
"""Error of the difficulty that threshold is given: it correlates by 0.7 with the true one."""

Fleet = Mapping[str, list[Replica]]


def slo_ms(number: int) -> float:
    """The SLO of a request: the same for every policy."""
    return SLO_MS[number * 7919 % len(SLO_MS)]


def least_loaded(replicas: list[Replica]) -> str:
    """The replica that has the fewest requests."""
    return min(replicas, key=lambda replica: (replica.in_flight, replica.name)).name


class Deaf:
    """A policy that learns nothing."""

    def first_byte(self, now: float, job: Job) -> None:
        """Nothing."""

    def ended(self, now: float, job: Job, verdict: float | None) -> None:
        """Nothing."""


class Mixture(Deaf):
    """Always the same tier, or tiers at random by weight."""

    def __init__(self, weights: tuple[float, float, float], *, seed: int, count: int) -> None:
        random = np.random.default_rng((seed, 4))
        draws = random.choice(len(TIERS), size=count, p=np.asarray(weights) / sum(weights))
        self.names = [TIERS[draw].name for draw in draws]

    def choose(self, number: int, request: Request, fleet: Fleet) -> str:
        """The tier that was drawn."""
        return least_loaded(fleet[self.names[number]])


class Threshold(Deaf):
    """A classifier's difficulty against two limits, as in RouteLLM; blind to load."""

    def __init__(self, limits: tuple[float, float], *, hard: list[float], noise: np.ndarray):
        self.limits, self.hard, self.noise = limits, hard, noise

    def choose(self, number: int, request: Request, fleet: Fleet) -> str:
        """Gold below the first limit, silver below the second, bronze above."""
        guess = self.hard[request.topic] + self.noise[number]
        tier = "gold" if guess < self.limits[0] else "silver"
        return least_loaded(fleet[tier if guess < self.limits[1] else "bronze"])


class LatencyOnly(Deaf):
    """The replica whose first token would come first."""

    def choose(self, number: int, request: Request, fleet: Fleet) -> str:
        """Whatever tier it is of."""
        return min(
            (replica for group in fleet.values() for replica in group),
            key=lambda one: (one.expected_first_s(request.at_s, request.tokens_in), one.name),
        ).name


class Oracle(Deaf):
    """Knows every topic's true quality and every replica's true state; takes the cheapest."""

    def __init__(self, hard: list[float]) -> None:
        self.hard = hard

    def choose(self, number: int, request: Request, fleet: Fleet) -> str:
        """The cheapest that holds floor and SLO; else the cheapest at the floor."""
        at_floor = [
            tier
            for tier in TIERS
            if tier.quality(self.hard[request.topic]) >= FLOOR or tier is TIERS[-1]
        ]
        for tier in at_floor:
            replica = min(
                fleet[tier.name],
                key=lambda one: one.expected_first_s(request.at_s, request.tokens_in),
            )
            first_s = replica.expected_first_s(request.at_s, request.tokens_in)
            if (first_s - request.at_s) * 1e3 <= slo_ms(number) * 0.9:
                return replica.name
        return least_loaded(fleet[at_floor[0].name])


class Ours:
    """The real brain, fed as the router feeds it."""

    def __init__(
        self, *, seed: int, budget_usd_per_hour: float = 0.0, log: Path | None = None
    ) -> None:
        router: dict[str, Any] = {
            "min_quality": FLOOR,
            "exploration": 0.02,
            "budget_usd_per_hour": budget_usd_per_hour,
            "seed": seed,
        }
        config = validate_serving({"tiers": tier_settings(wrong=0.7), "router": router})
        self.brain = Brain(config)
        self.log = DecisionLog(log, config) if log else None
        self.reasons: list[str] = []
        self.spans_us: list[float] = []
        self.predicted_ms: list[float] = []

    def choose(self, number: int, request: Request, fleet: Fleet) -> str:
        """As the brain decides."""
        arrived = Arrived(
            request.at_s,
            f"r{number}",
            "bench",
            "interactive",
            (),
            "",
            request.tokens_in,
            1024,
            text_features(request.text),
            slo_ms(number),
        )
        started = time.thread_time_ns()
        decision = self.brain.decide(arrived)
        self.spans_us.append((time.thread_time_ns() - started) / 1e3)
        self.reasons.append(decision.reason)
        self.predicted_ms.append(decision.predicted_ttft_ms)
        self._write(arrived, decision)
        if decision.tier:
            self._tell(Sent(request.at_s, arrived.request_id, decision.endpoint))
        return decision.endpoint

    def explored(self, number: int) -> bool:
        """Whether a request tried a tier: a verifier looks at those."""
        return self.reasons[number] == "exploration"

    def first_byte(self, now: float, job: Job) -> None:
        """Tell the brain."""
        self._tell(FirstByte(now, f"r{job.number}", job.endpoint))

    def ended(self, now: float, job: Job, verdict: float | None) -> None:
        """Tell the brain, and the verdict with it."""
        request, name = job.request, f"r{job.number}"
        tokens = request.tokens_out, request.tokens_in
        self._tell(Ended(now, name, job.endpoint, *tokens, True, 200))
        if verdict is not None:
            self._tell(Judged(now, name, verdict))

    def _tell(self, event: Any) -> None:
        self.brain.observe(event)
        self._write(event)

    def _write(self, *items: Any) -> None:
        if self.log is not None:
            for item in items:
                self.log.write(item)
