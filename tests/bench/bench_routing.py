"""The routing scorecard: the real brain on simulated tiers against five others. routing.json.

`python -m tests.bench.bench_routing [--scale 1] [--seeds 20] [--azure FILE] [--burstgpt FILE]`.
Attained: the first token came within the request's SLO and the tier's true quality on its topic is
at the floor. Random and threshold are tuned in hindsight on each trace: the cheapest setting of a
grid that attains as much as the brain, which learns while it is measured. The brain's configured
speeds are 30% off, it sees no engine's load figures, and 30% of the answers are judged. Decisions
are timed by CPU, since other programs may run beside.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goldsmith.serving.router.server import collect_rarely
from goldsmith.serving.routing.events import Arrived, Ended, FirstByte, Judged, Sent
from goldsmith.serving.routing.features import text_features
from goldsmith.serving.routing.replay import replay
from tests.bench.processes import hardware, versions
from tests.bench.routing_policies import (
    FLOOR,
    GUESS_NOISE,
    LatencyOnly,
    Mixture,
    Oracle,
    Ours,
    Threshold,
    slo_ms,
)
from tests.bench.routing_summary import OTHERS, Timing, duel, figures, spans, summary
from tests.bench.simulated_tiers import Outcome, Policy, difficulties, simulate
from tests.bench.traces import DAY_S, Request, generate, load_azure, load_burstgpt, with_topics

RESULTS = Path(__file__).parent / "results" / "routing.json"
REQUESTS, RATE_PER_S, CVS = 16_000, 5.0, (1.0, 2.0, 4.0)
DAY_REQUESTS, DIURNAL = 21_600, 0.3
PATHS: dict[str, tuple[str, ...]] = {"auto": (), "explicit": ("gold",)}
BUDGET_SHARE, SLACK = 0.6, 2.0
"""Of what the brain spends without a budget: one that binds at every hour, and one that never."""
LIMITS = [
    (low, high)
    for low in (-0.2, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    for high in (0.5, 0.6, 0.7, 0.8, 0.9, 1.1)
    if high >= low
]
WEIGHTS = [(a, b, 8 - a - b) for a in range(0, 9, 2) for b in range(0, 9 - a, 2)]


@dataclass(frozen=True, slots=True)
class Score:
    """How a policy did on a trace."""

    attained: float
    in_time: float
    at_floor: float
    shortfall: float
    """Quality below the floor, mean over all requests."""
    usd_per_1000: float
    refused: float


def score(outcome: Outcome, *, start: int = 0) -> Score:
    """From request `start` of the trace on."""
    count = len(outcome.tier)
    slos = np.array([slo_ms(number) for number in range(count)])[start:]
    served = np.array([bool(tier) for tier in outcome.tier])[start:]
    in_time = served & (np.array(outcome.ttft_ms)[start:] <= slos)
    quality = np.array(outcome.quality)[start:]
    at_floor = served & (quality >= FLOOR)
    return Score(
        attained=float((in_time & at_floor).mean()),
        in_time=float(in_time.mean()),
        at_floor=float(at_floor.mean()),
        shortfall=float(np.maximum(0.0, FLOOR - quality)[served].mean()),
        usd_per_1000=float(np.mean(outcome.price_usd[start:]) * 1000),
        refused=float(1 - served.mean()),
    )


def row(name: str, seed: int, cv: float, found: Score, **more: Any) -> dict[str, Any]:
    """A score as it is written down."""
    figures = {field: round(getattr(found, field), 5) for field in Score.__dataclass_fields__}
    return {"policy": name, "seed": seed, "cv": cv, **figures, **more}


def tuned(
    name: str,
    grid: Sequence[Any],
    build: Callable[[Any], Policy],
    *,
    trace: Sequence[Request],
    seed: int,
    cv: float,
    target: float,
) -> dict[str, Any]:
    """The cheapest setting that attains the target; else the one that attains most."""
    found = [(score(simulate(trace, build(each), seed=seed)), each) for each in grid]
    reached = [pair for pair in found if pair[0].attained >= target]
    if reached:
        best, setting = min(reached, key=lambda pair: pair[0].usd_per_1000)
    else:
        best, setting = max(found, key=lambda pair: pair[0].attained)
    return row(name, seed, cv, best, setting=str(setting), reached=bool(reached))


def scorecard(trace: Sequence[Request], *, seed: int, cv: float) -> list[dict[str, Any]]:
    """Every policy on one trace."""
    count, hard = len(trace), difficulties(seed)
    ours = Ours(seed=seed)
    outcome = simulate(trace, ours, seed=seed, always_judged=ours.explored)
    mine, late = score(outcome), score(outcome, start=count // 2)
    covered = np.array(outcome.ttft_ms) <= np.array(ours.predicted_ms)
    rows = [
        row(
            "ours",
            seed,
            cv,
            mine,
            after_learning=row("ours", seed, cv, late),
            p99_coverage=round(float(covered.mean()), 5),
            decision_p50_us=round(float(np.quantile(ours.spans_us, 0.5)), 1),
            decision_p99_us=round(float(np.quantile(ours.spans_us, 0.99)), 1),
        )
    ]
    fixed: dict[str, Policy] = {
        "always-bronze": Mixture((0, 0, 1), seed=seed, count=count),
        "latency-only": LatencyOnly(),
        "oracle": Oracle(hard),
    }
    for name, policy in fixed.items():
        found = score(simulate(trace, policy, seed=seed))
        rows.append(row(name, seed, cv, found, reached=found.attained >= mine.attained))
    noise = np.random.default_rng((seed, 5)).normal(0.0, GUESS_NOISE, count)
    where: dict[str, Any] = {"trace": trace, "seed": seed, "cv": cv, "target": mine.attained}
    rows.append(
        tuned("random", WEIGHTS, lambda each: Mixture(each, seed=seed, count=count), **where)
    )
    rows.append(
        tuned("threshold", LIMITS, lambda each: Threshold(each, hard=hard, noise=noise), **where)
    )
    return rows


def budget_day(seed: int, *, count: int) -> dict[str, Any]:
    """A day without a budget, with one that binds, and with one that does not."""
    trace = generate(seed, count=count, rate_per_s=count / DAY_S, cv=2.0, diurnal=DIURNAL)
    hours = trace[-1].at_s / 3600.0

    def spent(usd_per_hour: float) -> tuple[float, Score]:
        ours = Ours(seed=seed, budget_usd_per_hour=usd_per_hour)
        outcome = simulate(trace, ours, seed=seed, always_judged=ours.explored)
        return sum(outcome.price_usd), score(outcome)

    free_usd, free = spent(0.0)
    budget = BUDGET_SHARE * free_usd / hours
    bound_usd, bound = spent(budget)
    slack_usd, _ = spent(SLACK * free_usd / hours)
    return {
        "seed": seed,
        "requests": count,
        "free_usd": round(free_usd, 4),
        "budget_usd": round(budget * hours, 4),
        "spent_usd": round(bound_usd, 4),
        "error": round(abs(bound_usd / (budget * hours) - 1.0), 6),
        "refused": round(bound.refused, 5),
        "shortfall": [round(free.shortfall, 5), round(bound.shortfall, 5)],
        "slack_change": round(abs(slack_usd / free_usd - 1.0), 6),
    }


def paths_us(tiers: tuple[str, ...], *, count: int) -> tuple[list[float], list[float]]:
    """CPU of deciding on a request, and of deciding and all its events, on a fresh brain."""
    brain, decisions, wholes = Ours(seed=0).brain, [], []
    texts = [each.text for each in generate(0, count=200, rate_per_s=1.0)]
    for number in range(count):
        at, name = number * 0.05, f"r{number}"
        features = () if len(tiers) == 1 else text_features(texts[number % len(texts)])
        started = time.thread_time_ns()
        request = Arrived(at, name, "bench", "interactive", tiers, "", 100, 64, features)
        began = time.thread_time_ns()
        endpoint = brain.decide(request).endpoint
        decisions.append((time.thread_time_ns() - began) / 1e3)
        brain.observe(Sent(at, name, endpoint))
        brain.observe(FirstByte(at + 0.04, name, endpoint))
        brain.observe(Ended(at + 0.5, name, endpoint, 32, 100, True, 200))
        wholes.append((time.thread_time_ns() - started) / 1e3)
        if number % 3 == 0:
            brain.observe(Judged(at + 0.6, name, float(number % 5 > 0)))
    return decisions, wholes


def replayed(trace: Sequence[Request]) -> bool:
    """Whether a logged run gives the same decisions bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.jsonl"
        ours = Ours(seed=0, log=path)
        simulate(trace, ours, seed=0, always_judged=ours.explored)
        assert ours.log is not None
        ours.log.close()
        report = replay(path)
    return report.identical and report.decisions == len(trace)


class Scorecard:
    """Rows of the seeds measured so far, and the document that they make."""

    def __init__(self, *, scale: float, out: Path) -> None:
        self.scale, self.out = scale, out
        self.count = max(200, int(REQUESTS * scale))
        self.rows: list[dict[str, Any]] = []
        self.days: list[dict[str, Any]] = []
        self.published: dict[str, list[dict[str, Any]]] = {}

    def measure(self, seed: int) -> None:
        """Every burstiness and a day with budgets, with one seed."""
        for cv in CVS:
            trace = generate(seed, count=self.count, rate_per_s=RATE_PER_S, cv=cv)
            self.rows += scorecard(trace, seed=seed, cv=cv)
        self.days.append(budget_day(seed, count=max(500, int(DAY_REQUESTS * self.scale))))
        print(f"seed {seed} done", flush=True)

    def measure_file(self, name: str, path: Path) -> None:
        """A published trace, with drawn topics."""
        loader = {"azure": load_azure, "burstgpt": load_burstgpt}[name]
        self.published[name] = scorecard(with_topics(0, loader(path)[: self.count]), seed=0, cv=0.0)

    def write(self, *, same: bool, timing: Timing) -> None:
        """All of it, so that a run that is stopped leaves what it has."""
        document = {
            "hardware": hardware(),
            "versions": versions("numpy", "orjson"),
            "seeds": [day["seed"] for day in self.days],
            "scale": self.scale,
            "figures": figures(self.rows, self.days, same=same, timing=timing),
            "duels": [duel(name, self.rows) for name in OTHERS],
            "summary": summary(self.rows),
            "timing_us": spans(timing),
            "budget_days": self.days,
            "published": self.published,
            "rows": self.rows,
        }
        self.out.parent.mkdir(exist_ok=True)
        self.out.write_text(json.dumps(document, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--azure", type=Path, help="a CSV of the Azure LLM inference traces")
    parser.add_argument("--burstgpt", type=Path, help="a CSV of BurstGPT")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    card = Scorecard(scale=chosen.scale, out=chosen.out)
    same = replayed(generate(0, count=card.count // 2, rate_per_s=RATE_PER_S, cv=2.0))
    collect_rarely()  # as the router does
    timing = {name: paths_us(tiers, count=card.count) for name, tiers in PATHS.items()}
    for name in ("azure", "burstgpt"):
        if path := getattr(chosen, name):
            card.measure_file(name, path)
    for seed in range(chosen.seeds):
        card.measure(seed)
        card.write(same=same, timing=timing)


if __name__ == "__main__":
    main()
