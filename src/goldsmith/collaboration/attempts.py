"""A, B and C at one task: search, play, judge, and again with C's reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goldsmith.collaboration.guard import Guard
from goldsmith.collaboration.lore_retriever import Retriever
from goldsmith.collaboration.teacher_planner import Teacher
from goldsmith.collaboration.verifier import judge
from goldsmith.data.trajectories import Trajectory
from goldsmith.tasks.domain import Domain, Passage, Task
from goldsmith.tasks.retrieval import as_shown
from goldsmith.tasks.transcript import Transcript


@dataclass(frozen=True)
class Bounds:
    """What one task may take."""

    attempts: int
    turns: int
    domain_seconds: float
    """For all calls into the domain plug-in together."""


def attempt_task(
    domain: Domain, task: Task, *, retriever: Retriever, teacher: Teacher, bounds: Bounds
) -> list[Trajectory]:
    """Every attempt in order; the last one is accepted, or none is."""
    guard = Guard(domain.name, f"task {task.task_id}", bounds.domain_seconds)
    passages = retriever.first(guard.call(domain.queries, task), task_id=task.task_id)
    attempts: list[Trajectory] = []
    reasons: list[str] = []
    while len(attempts) < bounds.attempts:
        transcript, malformed = _play(
            domain, task, passages, teacher=teacher, reasons=reasons, bounds=bounds, guard=guard
        )
        outcome = judge(domain, task, transcript, passages, malformed=malformed, guard=guard)
        number = len(attempts) + 1
        attempts.append(Trajectory(f"{task.task_id}-a{number}", task, transcript, outcome, number))
        if outcome.solved:
            break
        reasons.append(outcome.reason)
        used = {name for turn in transcript.turns for name in turn.step.citations}
        passages = retriever.again(passages, reasons, used=used)
    return attempts


def _play(
    domain: Domain,
    task: Task,
    passages: Sequence[Passage],
    *,
    teacher: Teacher,
    reasons: Sequence[str],
    bounds: Bounds,
    guard: Guard,
) -> tuple[Transcript, bool]:
    """B's transcript up to the end, an inadmissible action or a malformed step (True)."""
    environment = guard.call(domain.environment, task)
    seen = guard.call(environment.reset)
    transcript = Transcript(task.prompt, as_shown(passages, task_id=task.task_id), seen.text)
    while not seen.done and len(transcript.turns) < bounds.turns:
        step = teacher.next_step(transcript, reasons=reasons, guard=guard)
        if step is None:
            return transcript, True
        seen = guard.call(environment.step, step.action)
        transcript = transcript.append(step, seen.text)
        if not seen.legal:
            break
    return transcript, False
