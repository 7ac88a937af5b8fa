"""The recorded verdict against a new one: C replays the steps in its own process."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from goldsmith.data.defects.catalogue import Problem, Problems
from goldsmith.data.trajectories import Trajectory
from goldsmith.tasks.domain import Outcome
from goldsmith.tasks.verification import VerifyRequest

Judge = Callable[[Sequence[VerifyRequest]], list[Outcome]]
"""`VerifierPool.outcomes`, or anything that answers so."""
BATCH = 32
"""Requests judged in one call."""


class Sample:
    """The `count` trajectories with the smallest hashes of their ids: spread evenly, always the
    same ones, chosen while the file streams by."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._heap: list[tuple[int, int]] = []

    def add(self, key: bytes, number: int) -> None:
        """Offer record `number` with its 8-byte key."""
        entry = (-int.from_bytes(key), number)
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def numbers(self) -> list[int]:
        """The chosen records, rising."""
        return sorted(number for _, number in self._heap)


def replay(trajectories: Sequence[Trajectory], judge: Judge) -> list[list[Problem]]:
    """What the replays of accepted trajectories contradict, one list each."""
    requests = [VerifyRequest.of(t.task, t.transcript) for t in trajectories]
    outcomes = judge(requests)
    return [list(compare(t.outcome, new)) for t, new in zip(trajectories, outcomes, strict=True)]


def compare(recorded: Outcome, outcome: Outcome) -> Problems:
    """The recorded verdict against that of the replay."""
    if outcome.solved and outcome.proof != recorded.proof:
        states = zip(outcome.proof, recorded.proof, strict=False)
        step = next((n for n, (new, old) in enumerate(states) if new != old), len(outcome.proof))
        yield "wrong-proof", f"the state after step {step} is another one"
    elif not outcome.solved and outcome.failed_step is not None:
        yield "illegal-action", f"step {outcome.failed_step + 1}: {outcome.reason}"
    elif not outcome.solved:
        yield "wrong-outcome", outcome.reason or "the replay is not solved"
