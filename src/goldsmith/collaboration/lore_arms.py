"""Does the lore matter? Acceptance with gold, retrieved, no and wrong lore, and recall of A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goldsmith.collaboration.attempts import Bounds, attempt_task
from goldsmith.collaboration.lore_retriever import FixedLore, LoreRetriever, Retriever
from goldsmith.collaboration.teacher_planner import Teacher
from goldsmith.data.trajectories import Trajectory
from goldsmith.tasks.domain import Domain, Task

Attempts = Sequence[Sequence[Trajectory]]
"""Per task, every attempt at it."""


def acceptance(attempts: Attempts) -> dict[str, float | int]:
    """Tasks, and the shares of them accepted at attempt 1 and at any attempt."""
    tasks = len(attempts)
    return {
        "tasks": tasks,
        "first": round(sum(tries[0].accepted for tries in attempts) / tasks, 4),
        "within": round(sum(tries[-1].accepted for tries in attempts) / tasks, 4),
    }


def recall(domain: Domain, attempts: Attempts) -> dict[str, float]:
    """Mean share of the passages a task needs that A had found, at the first and last attempt."""
    shares = []
    for tries in attempts:
        needed = domain.gold_passages(tries[0].task)
        if needed:
            found = [{name for name, _ in tries[at].transcript.passages} for at in (0, -1)]
            shares.append([len(needed & names) / len(needed) for names in found])
    means = [round(sum(column) / len(shares), 4) for column in zip(*shares, strict=True)]
    return dict(zip(("first", "final"), means or (1.0, 1.0), strict=True))


def measure_arms(
    domain: Domain, attempts: Attempts, *, teacher: Teacher, k: int, count: int, bounds: Bounds
) -> dict[str, dict[str, float | int]]:
    """The lore table: `count` of the tasks, evenly drawn, played again with other lore."""
    sample = [attempts[i * len(attempts) // count] for i in range(min(count, len(attempts)))]
    tasks = [tries[0].task for tries in sample]
    arms = {
        name: [
            attempt_task(domain, task, retriever=retriever, teacher=teacher, bounds=bounds)
            for task in tasks
        ]
        for name, retriever in _retrievers(domain, tasks, k).items()
    }
    ordered: dict[str, Attempts] = {
        "gold": arms["gold"],
        "retrieved": sample,
        "none": arms["none"],
        "wrong": arms["wrong"],
    }
    return {name: acceptance(played) for name, played in ordered.items()}


def _retrievers(domain: Domain, tasks: Sequence[Task], k: int) -> Mapping[str, Retriever]:
    pack = {passage.passage_id: passage for passage in domain.lore()}
    gold = {
        task.task_id: [pack[name] for name in sorted(domain.gold_passages(task))] for task in tasks
    }
    return {
        "gold": FixedLore(gold),
        "none": FixedLore({}),
        "wrong": LoreRetriever(domain.wrong_lore(), k),
    }


def describe(attempts: Attempts) -> dict[str, Any]:
    """Turns and words of the accepted transcripts, per level."""
    accepted = [tries[-1] for tries in attempts if tries[-1].accepted]
    levels = dict.fromkeys(trajectory.task.level for trajectory in accepted)
    return {level: _sizes([one for one in accepted if one.task.level == level]) for level in levels}


def _sizes(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    turns = [len(trajectory.transcript.turns) for trajectory in trajectories]
    words = [
        sum(len(message["content"].split()) for message in trajectory.transcript.messages())
        for trajectory in trajectories
    ]
    return {"turns": round(sum(turns) / len(turns), 2), "words": round(sum(words) / len(words), 1)}
