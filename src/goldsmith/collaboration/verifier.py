"""Role C: judges one attempt of B by the domain's strict verifier."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith.collaboration.guard import Guard
from goldsmith.tasks.domain import Domain, Outcome, Passage, Task
from goldsmith.tasks.transcript import Transcript


def judge(
    domain: Domain,
    task: Task,
    transcript: Transcript,
    passages: Sequence[Passage],
    *,
    malformed: bool,
    guard: Guard,
) -> Outcome:
    """C's verdict; an attempt that broke off at a malformed step is never solved."""
    steps = [turn.step for turn in transcript.turns]
    outcome: Outcome = guard.call(domain.verify, task, steps, passages)
    if malformed:
        why = f"step {len(steps) + 1}: the answer is not a step"
        return Outcome(False, outcome.score, why, len(steps), outcome.proof)
    return outcome
