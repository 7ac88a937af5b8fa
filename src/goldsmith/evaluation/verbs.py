"""Accuracy per verb: of the reference's commands that begin with a verb, how many were done.

A model can raise its reward while it says `slice` for every cut; this table shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

from goldsmith.evaluation.scores import VerbScore
from goldsmith.rollouts.episodes import Episode
from goldsmith.tasks.domain import Domain
from goldsmith.tasks.guard import Guard


def verb_scores(domain: Domain, episodes: Iterable[Episode]) -> dict[str, VerbScore]:
    """Per verb (first word) of the reference solutions: expected and done, over the episodes."""
    guard = Guard(domain.name, "its accuracy per verb")
    same = cache(lambda action, expert: guard.call(domain.same_action, action, expert) >= 1)
    reference: dict[str, list[str]] = {}
    expected: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for episode in episodes:
        task = episode.task
        if task.task_id not in reference:
            reference[task.task_id] = guard.call(domain.gold_actions, task)
        actions = set(episode.actions)
        for expert in reference[task.task_id]:
            verb = expert.split()[0] if expert.split() else expert
            expected[verb] += 1
            done[verb] += expert in actions or any(same(action, expert) for action in actions)
    return {verb: VerbScore(expected=expected[verb], done=done[verb]) for verb in sorted(expected)}
