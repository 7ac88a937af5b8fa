"""Running a decision log again: the same events must give the same decisions, bit for bit."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from goldsmith.config.serving import validate_serving
from goldsmith.errors import DataError
from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.decision import Decision
from goldsmith.serving.routing.events import Arrived
from goldsmith.serving.routing.log import Item, line_of, read_log


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay found."""

    events: int
    decisions: int
    different: int
    first_difference: str
    """The logged line and the one decided now; empty: none differs."""
    reasons: dict[str, int]
    decision_p50_us: float
    decision_p99_us: float

    @property
    def identical(self) -> bool:
        """Whether every decision was the same."""
        return self.different == 0


def replay(path: Path) -> Report:
    """Decide again from the logged events and compare with the logged decisions."""
    again = _Replay()
    for item, line in read_log(path):
        again.take(item, line)
    return again.report()


class _Replay:
    """A brain that is told the logged events, and the decisions that differ."""

    def __init__(self) -> None:
        self.brain: Brain | None = None
        self.events = self.different = 0
        self.first, self.decided = "", b"no request before it\n"
        self.reasons: Counter[str] = Counter()
        self.spans_us: list[float] = []

    def take(self, item: Item, line: bytes) -> None:
        """One line of the log."""
        if isinstance(item, dict):
            self.brain = Brain(validate_serving(item["config"]))
        elif isinstance(item, Decision):
            self._compare(item, line)
        elif self.brain is not None:
            self.events += 1
            if isinstance(item, Arrived):
                self._decide(self.brain, item)
            else:
                self.brain.observe(item)

    def _decide(self, brain: Brain, arrived: Arrived) -> None:
        started = time.perf_counter_ns()
        decision = brain.decide(arrived)
        self.spans_us.append((time.perf_counter_ns() - started) / 1e3)
        self.decided = line_of(decision)

    def _compare(self, logged: Decision, line: bytes) -> None:
        self.reasons[logged.reason] += 1
        if self.decided != line:
            self.different += 1
            self.first = self.first or f"logged {line.decode()}now    {self.decided.decode()}"

    def report(self) -> Report:
        """What was found."""
        self.spans_us.sort()
        return Report(
            events=self.events,
            decisions=self.reasons.total(),
            different=self.different,
            first_difference=self.first,
            reasons=dict(sorted(self.reasons.items())),
            decision_p50_us=_quantile(self.spans_us, 0.5),
            decision_p99_us=_quantile(self.spans_us, 0.99),
        )


def decisions_of(path: Path, request_id: str = "") -> list[Decision]:
    """The logged decisions on one request, or on all; DataError where there is none."""
    found = [
        item
        for item, _ in read_log(path)
        if isinstance(item, Decision) and request_id in ("", item.request_id)
    ]
    if request_id and not found:
        raise DataError(f"request {request_id}", why=f"{path} has no decision on it")
    return found


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
