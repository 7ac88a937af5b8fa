"""Does the lore matter? Acceptance with gold, retrieved, no and wrong lore, and recall of A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from goldsmith.collaboration.attempts import Roles, attempt_tasks
from goldsmith.collaboration.lore_retriever import FixedLore, LoreRetriever, Retriever
from goldsmith.data.trajectories import Trajectory
from goldsmith.tasks.domain import Domain, Task
from goldsmith.tasks.guard import Guard

Attempts = Sequence[Sequence[Trajectory]]
"""Per task, every attempt at it."""
ARMS = ("gold", "none", "wrong")
"""What is played again beside the data set itself, the arm `retrieved`."""


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
        task = tries[0].task
        needed = Guard(domain.name, f"task {task.task_id}").call(domain.gold_passages, task)
        if needed:
            found = [{name for name, _ in tries[at].transcript.passages} for at in (0, -1)]
            shares.append([len(needed & names) / len(needed) for names in found])
    means = [round(sum(column) / len(shares), 4) for column in zip(*shares, strict=True)]
    return dict(zip(("first", "final"), means or (1.0, 1.0), strict=True))


def measure_arms(
    roles: Roles, attempts: Attempts, *, k: int, count: int
) -> dict[str, dict[str, float | int]]:
    """The lore table: `count` of the tasks, evenly drawn, played again with other lore."""
    sample = [attempts[i * len(attempts) // count] for i in range(min(count, len(attempts)))]
    tasks = [tries[0].task for tries in sample]
    arms: dict[str, Attempts] = {}
    for name, retriever in _retrievers(roles.domain, tasks, k).items():
        roles.tally.say(f"lore arm {name}")
        arms[name] = attempt_tasks(replace(roles, retriever=retriever), tasks)
    ordered = {
        "gold": arms["gold"],
        "retrieved": sample,
        "none": arms["none"],
        "wrong": arms["wrong"],
    }
    return {name: acceptance(played) for name, played in ordered.items()}


def _retrievers(domain: Domain, tasks: Sequence[Task], k: int) -> Mapping[str, Retriever]:
    guard = Guard(domain.name, "the lore arms")
    pack = {passage.passage_id: passage for passage in guard.call(domain.lore)}
    gold = {
        task.task_id: [pack[name] for name in sorted(guard.call(domain.gold_passages, task))]
        for task in tasks
    }
    return {
        "gold": FixedLore(gold),
        "none": FixedLore({}),
        "wrong": LoreRetriever(guard.call(domain.wrong_lore), k),
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
