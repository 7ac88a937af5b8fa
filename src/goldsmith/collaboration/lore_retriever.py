"""Role A: finds the lore that a task needs, and searches again when C says what is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Protocol

from goldsmith.tasks.domain import Passage
from goldsmith.tasks.retrieval import LoreIndex

_QUOTED = re.compile(r"'([^']+)'")
_PER_WORD = 2
"""New passages for each word that C asks about; more would push out what is already right."""


class Retriever(Protocol):
    """What the orchestrator asks of A."""

    def first(self, queries: Sequence[str], *, task_id: str) -> list[Passage]: ...

    def again(self, found: Sequence[Passage], reasons: Sequence[str]) -> list[Passage]: ...


class LoreRetriever:
    """A over a lore pack; every answer has at most `k` passages."""

    def __init__(self, passages: Sequence[Passage], k: int) -> None:
        self._index = LoreIndex(passages)
        self.k = k

    def search(self, query: str, k: int) -> list[tuple[Passage, float]]:
        """The best passages for one query with their scores, best first."""
        return self._index.search(query, k)

    def first(self, queries: Sequence[str], *, task_id: str) -> list[Passage]:
        """Attempt 1: the best of each query in turn."""
        return self._index.gather(queries, self.k)

    def again(self, found: Sequence[Passage], reasons: Sequence[str]) -> list[Passage]:
        """Later attempts: what `focus` finds for C's reasons so far, then the old passages."""
        new = [passage for reason in reasons for passage in self.focus(reason)]
        return list({p.passage_id: p for p in (*new, *found)}.values())[: self.k]

    def focus(self, reason: str) -> list[Passage]:
        """The best passages for each word that a reason puts in quotes, or else for all of it."""
        asked = _QUOTED.sub("", reason.partition(": ")[2] or reason)
        queries = [f"{word} {asked}" for word in _QUOTED.findall(reason)] or [reason]
        return self._index.gather(queries, min(self.k, _PER_WORD * len(queries)))


class FixedLore:
    """An arm of the lore table: the same passages for a task at every attempt, or none."""

    def __init__(self, passages_by_task: dict[str, list[Passage]]) -> None:
        self._passages = passages_by_task

    def first(self, queries: Sequence[str], *, task_id: str) -> list[Passage]:
        """What was laid down for the task."""
        return self._passages.get(task_id, [])

    def again(self, found: Sequence[Passage], reasons: Sequence[str]) -> list[Passage]:
        """The same again."""
        return list(found)


def as_shown(passages: Sequence[Passage], *, task_id: str) -> tuple[tuple[str, str], ...]:
    """(id, text) pairs in an order drawn by the task, so that rank is no cue for the student."""
    ordered = sorted(passages, key=lambda passage: passage.passage_id)
    Random(task_id).shuffle(ordered)
    return tuple((passage.passage_id, passage.text) for passage in ordered)
