"""`readiness.json`: which stage each training task is ready for, by pass@n of the current model.

Never solved -> SRL, whose dense rewards need no win. Sometimes -> RLVR, whose groups then differ.
Always -> retired, since neither stage would learn from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Stage = Literal["srl", "rlvr", "retired"]
STAGES: tuple[Stage, ...] = ("srl", "rlvr", "retired")


@dataclass(frozen=True)
class TaskReadiness:
    """One task and the stage that its wins put it in."""

    task_id: str
    level: str
    wins: int
    samples: int
    stage: Stage


@dataclass(frozen=True)
class Readiness:
    """Every task, sorted by id, so that equal wins give equal bytes."""

    tasks: tuple[TaskReadiness, ...]

    def task_ids(self, stage: Stage) -> list[str]:
        """Ids of the tasks of one stage."""
        return [task.task_id for task in self.tasks if task.stage == stage]

    def counts(self) -> dict[str, dict[str, int]]:
        """Level to stage to number of tasks, levels in order of appearance."""
        counts: dict[str, dict[str, int]] = {
            task.level: dict.fromkeys(STAGES, 0) for task in self.tasks
        }
        for task in self.tasks:
            counts[task.level][task.stage] += 1
        return counts

    def to_json(self) -> dict[str, Any]:
        """What readiness.json holds."""
        return {
            "kind": "readiness",
            "samples": max((task.samples for task in self.tasks), default=0),
            "counts": self.counts(),
            "tasks": [asdict(task) for task in self.tasks],
        }


def stage_of(wins: Sequence[bool]) -> Stage:
    """The stage for one task's sampled episodes; ValueError if there are none."""
    if not wins:
        raise ValueError("a task needs at least one episode")
    return "retired" if all(wins) else "rlvr" if any(wins) else "srl"


def readiness(
    wins: Mapping[str, Sequence[bool]], *, levels: Mapping[str, str] | None = None
) -> Readiness:
    """Sort tasks by the wins of n sampled episodes each; `levels` maps task ids to levels."""
    return Readiness(tuple(_readiness_of(wins, levels or {})))


def _readiness_of(
    wins: Mapping[str, Sequence[bool]], levels: Mapping[str, str]
) -> Iterable[TaskReadiness]:
    for task_id in sorted(wins):
        row = [bool(win) for win in wins[task_id]]
        yield TaskReadiness(task_id, levels.get(task_id, ""), sum(row), len(row), stage_of(row))
