"""Simulated tiers: replicas with a serial prefill, slots and noise, played event by event.

A replica reads one prompt at a time, decodes up to `slots` requests at once, each slower the more
there are, and lets the rest wait in order. Whether an answer is good is drawn from the tier's true
quality for the request's topic. Policies see what a router sees: what they sent and what came back.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tests.bench.traces import TOPICS, Request

CROWDING = 0.6
"""Share by which a full replica decodes slower than an empty one."""
PREFILL_NOISE, DECODE_NOISE = 0.15, 0.1


@dataclass(frozen=True, slots=True)
class TierModel:
    """The truth about a tier; prices in USD per million tokens."""

    name: str
    replicas: int
    slots: int
    prefill_per_s: float
    decode_per_s: float
    overhead_s: float
    price_in: float
    price_out: float
    easy: float
    """Quality on the easiest topic."""
    hard: float
    """On the hardest."""

    def quality(self, difficulty: float) -> float:
        """Share of good answers on a topic."""
        return self.easy + (self.hard - self.easy) * difficulty

    def price_usd(self, request: Request) -> float:
        """What a request costs."""
        return (request.tokens_in * self.price_in + request.tokens_out * self.price_out) / 1e6


TIERS = (
    TierModel("gold", 2, 16, 9000.0, 60.0, 0.015, 0.2, 0.8, 0.97, 0.25),
    TierModel("silver", 2, 16, 5000.0, 40.0, 0.025, 1.0, 4.0, 0.98, 0.60),
    TierModel("bronze", 3, 16, 2500.0, 25.0, 0.060, 4.0, 16.0, 0.98, 0.88),
)


@dataclass(slots=True)
class Job:
    """One request at one replica."""

    number: int
    request: Request
    tier: TierModel
    endpoint: str
    first_s: float = 0.0
    end_s: float = 0.0


@dataclass(slots=True)
class Replica:
    """One replica: what it runs, what waits."""

    name: str
    tier: TierModel
    running: int = 0
    queue: deque[Job] = field(default_factory=deque)
    prefill_free_s: float = 0.0
    ends_s: list[float] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        """Requests that it has."""
        return self.running + len(self.queue)

    def expected_first_s(self, now: float, tokens_in: int) -> float:
        """When the first token of a prompt would come without noise; for the oracle."""
        tier = self.tier
        start = now
        if self.running >= tier.slots:
            ends = sorted(self.ends_s)
            for job in self.queue:
                start = ends.pop(0)
                heapq.heappush(ends, start + job.request.tokens_out / tier.decode_per_s)
            start = max(now, ends[0])
        start = max(start, self.prefill_free_s)
        return start + tier.overhead_s + tokens_in / tier.prefill_per_s


class Policy(Protocol):
    """Who routes: called at each arrival, told what happens."""

    def choose(self, number: int, request: Request, fleet: Mapping[str, list[Replica]]) -> str:
        """The endpoint for a request; empty: refused."""

    def first_byte(self, now: float, job: Job) -> None:
        """An answer begins."""

    def ended(self, now: float, job: Job, verdict: float | None) -> None:
        """An answer is complete, judged or not."""


@dataclass(slots=True)
class Outcome:
    """What became of each request, in the order of the trace."""

    tier: list[str]
    ttft_ms: list[float]
    quality: list[float]
    """True quality of the chosen tier on the topic."""
    price_usd: list[float]


def difficulties(seed: int) -> list[float]:
    """How hard each topic is, 0 to 1."""
    return [float(d) for d in np.random.default_rng((seed, 2)).permutation(TOPICS) / (TOPICS - 1)]


def simulate(
    trace: Sequence[Request],
    policy: Policy,
    *,
    seed: int,
    verdicts: float = 0.3,
    always_judged: Callable[[int], bool] = lambda number: False,
) -> Outcome:
    """Play a trace; a share `verdicts` of the answers is judged, the same for every policy."""
    return _Play(trace, policy, seed=seed, verdicts=verdicts, always_judged=always_judged).run()


class _Play:
    """One run: the clock, the replicas, the noise."""

    def __init__(
        self,
        trace: Sequence[Request],
        policy: Policy,
        *,
        seed: int,
        verdicts: float,
        always_judged: Callable[[int], bool],
    ) -> None:
        random = np.random.default_rng((seed, 3))
        count = len(trace)
        self.trace, self.policy, self.always_judged = trace, policy, always_judged
        self.hard = difficulties(seed)
        self.prefill_noise = np.exp(random.normal(0.0, PREFILL_NOISE, count)).tolist()
        self.decode_noise = np.exp(random.normal(0.0, DECODE_NOISE, count)).tolist()
        self.luck = random.random(count).tolist()
        self.judged = (random.random(count) < verdicts).tolist()
        self.fleet = {
            tier.name: [Replica(f"http://{tier.name}-{n}", tier) for n in range(tier.replicas)]
            for tier in TIERS
        }
        self.replicas = {one.name: one for group in self.fleet.values() for one in group}
        self.events: list[tuple[float, int, str, Job]] = []
        self.order = 0
        self.outcome = Outcome([""] * count, [0.0] * count, [0.0] * count, [0.0] * count)

    def run(self) -> Outcome:
        for number, request in enumerate(self.trace):
            self._play_until(request.at_s)
            endpoint = self.policy.choose(number, request, self.fleet)
            if endpoint:
                self._send(number, request, self.replicas[endpoint])
        self._play_until(float("inf"))
        return self.outcome

    def _play_until(self, now: float) -> None:
        while self.events and self.events[0][0] <= now:
            at, _, kind, job = heapq.heappop(self.events)
            if kind == "first":
                self.outcome.ttft_ms[job.number] = (at - job.request.at_s) * 1e3
                self.policy.first_byte(at, job)
            else:
                self._end(at, job)

    def _send(self, number: int, request: Request, replica: Replica) -> None:
        tier, outcome = replica.tier, self.outcome
        outcome.tier[number] = tier.name
        outcome.quality[number] = tier.quality(self.hard[request.topic])
        outcome.price_usd[number] = tier.price_usd(request)
        job = Job(number, request, tier, replica.name)
        if replica.running < tier.slots:
            self._start(request.at_s, job, replica)
        else:
            replica.queue.append(job)

    def _start(self, now: float, job: Job, replica: Replica) -> None:
        tier, request = replica.tier, job.request
        replica.running += 1
        crowd = 1.0 + CROWDING * replica.running / tier.slots
        begin = max(now, replica.prefill_free_s)
        read = request.tokens_in / tier.prefill_per_s * self.prefill_noise[job.number]
        replica.prefill_free_s = begin + read
        job.first_s = begin + read + tier.overhead_s * self.prefill_noise[job.number]
        decode = request.tokens_out / tier.decode_per_s * crowd * self.decode_noise[job.number]
        job.end_s = job.first_s + decode
        replica.ends_s.append(job.end_s)
        self._push(job.first_s, "first", job)
        self._push(job.end_s, "end", job)

    def _push(self, at: float, kind: str, job: Job) -> None:
        self.order += 1
        heapq.heappush(self.events, (at, self.order, kind, job))

    def _end(self, now: float, job: Job) -> None:
        replica = self.replicas[job.endpoint]
        replica.running -= 1
        replica.ends_s.remove(job.end_s)
        verdict: float | None = None
        if self.judged[job.number] or self.always_judged(job.number):
            good = self.luck[job.number] < self.outcome.quality[job.number]
            verdict = 1.0 if good else 0.0
        self.policy.ended(now, job, verdict)
        if replica.queue:
            self._start(now, replica.queue.popleft(), replica)


def tier_settings(*, wrong: float = 1.0) -> dict[str, dict[str, Any]]:
    """The tiers as a ServingConfig has them; speeds are off by the factor `wrong`."""
    return {
        tier.name: {
            "endpoints": [f"http://{tier.name}-{n}" for n in range(tier.replicas)],
            "slo_ttft_ms": 1000.0,
            "price_in": tier.price_in,
            "price_out": tier.price_out,
            "quality": round((tier.easy + tier.hard) / 2, 2),
            "slots": tier.slots,
            "prefill_tokens_per_s": tier.prefill_per_s * wrong,
            "decode_tokens_per_s": tier.decode_per_s * wrong,
        }
        for tier in TIERS
    }
