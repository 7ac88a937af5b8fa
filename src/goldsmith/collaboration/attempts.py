"""A, B and C at many tasks: search, play, judge, and again with C's reason.

Attempts are made in rounds: while C judges one task's attempt, B plays the next task's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goldsmith.collaboration.lore_retriever import Retriever
from goldsmith.collaboration.tally import Tally
from goldsmith.collaboration.teacher_planner import Teacher
from goldsmith.collaboration.verifier import Play, Verifier
from goldsmith.data.trajectories import Trajectory
from goldsmith.tasks.domain import Domain, Outcome, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.retrieval import as_shown
from goldsmith.tasks.transcript import Transcript


@dataclass(frozen=True)
class Bounds:
    """What one task may take."""

    attempts: int
    turns: int
    domain_seconds: float
    """For all calls of A and B into the domain plug-in together."""


@dataclass(frozen=True)
class Roles:
    """Who works at the tasks, and within which bounds."""

    domain: Domain
    retriever: Retriever
    teacher: Teacher
    verifier: Verifier
    bounds: Bounds
    tally: Tally


def attempt_tasks(roles: Roles, tasks: Sequence[Task]) -> list[list[Trajectory]]:
    """For each task every attempt in order; the last one is accepted, or none is."""
    cases = [_Case(roles, task) for task in tasks]
    for _ in range(roles.bounds.attempts):
        open_ = [case for case in cases if not case.closed]
        outcomes = roles.verifier.judge(case.play() for case in open_)
        for case, outcome in zip(open_, outcomes, strict=True):
            case.learn(outcome)
            if case.closed:
                roles.tally.task(case.attempts)
    return [case.attempts for case in cases]


class _Case:
    """One task and the attempts at it so far."""

    def __init__(self, roles: Roles, task: Task) -> None:
        self.roles, self.task = roles, task
        self.attempts: list[Trajectory] = []
        self._reasons: list[str] = []
        seconds = roles.bounds.domain_seconds
        self._guard = Guard(roles.domain.name, f"task {task.task_id}", seconds)
        queries = self._guard.call(roles.domain.queries, task)
        self._passages = roles.retriever.first(queries, task_id=task.task_id)

    @property
    def closed(self) -> bool:
        """Accepted, or tried often enough."""
        tries = self.attempts
        return bool(tries) and (tries[-1].accepted or len(tries) == self.roles.bounds.attempts)

    def play(self) -> Play:
        """B's next attempt, up to the end, an inadmissible action or a malformed step."""
        roles, guard = self.roles, self._guard
        environment = guard.call(roles.domain.environment, self.task)
        seen = guard.call(environment.reset)
        shown = as_shown(self._passages, task_id=self.task.task_id)
        self._transcript = Transcript(self.task.prompt, shown, seen.text)
        while seen.legal and not seen.done and len(self._transcript.turns) < roles.bounds.turns:
            step = roles.teacher.next_step(self._transcript, reasons=self._reasons, guard=guard)
            roles.tally.turn()
            if step is None:
                return Play(self.task, self._transcript, malformed=True)
            seen = guard.call(environment.step, step.action)
            self._transcript = self._transcript.append(step, seen.text)
        return Play(self.task, self._transcript, malformed=False)

    def learn(self, outcome: Outcome) -> None:
        """C's verdict on the last play; its reason tells A what to look for next."""
        number, transcript = len(self.attempts) + 1, self._transcript
        name = f"{self.task.task_id}-a{number}"
        self.attempts.append(Trajectory(name, self.task, transcript, outcome, number))
        if not self.closed:
            self._reasons.append(outcome.reason)
            used = {cited for turn in transcript.turns for cited in turn.step.citations}
            self._passages = self.roles.retriever.again(self._passages, self._reasons, used=used)
