"""Role A: finds the lore that a task needs, and searches again when C says what is missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from typing import Protocol

from goldsmith.tasks.domain import Passage
from goldsmith.tasks.retrieval import LoreIndex

_QUOTED = re.compile(r"'([^']+)'")
_DEPTH = 32
"""How far down the answer passages that hold the word are looked for."""


class Retriever(Protocol):
    """What the orchestrator asks of A."""

    def first(self, queries: Sequence[str], *, task_id: str) -> list[Passage]: ...

    def again(
        self, found: Sequence[Passage], reasons: Sequence[str], *, used: Set[str]
    ) -> list[Passage]: ...


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

    def again(
        self, found: Sequence[Passage], reasons: Sequence[str], *, used: Set[str]
    ) -> list[Passage]:
        """Later attempts: what `focus` finds for C's reasons, what B has cited, then the rest."""
        cited = [passage for passage in found if passage.passage_id in used]
        kept = {p.passage_id: p for p in (*self.focus(reasons), *cited, *found)}
        return list(kept.values())[: self.k]

    def focus(self, reasons: Sequence[str]) -> list[Passage]:
        """Passages that hold the words which the reasons quote, best first.

        A word that was asked for n times gets n passages. Without any such word the last reason as
        a whole is the query.
        """
        asked = Counter(word for reason in reasons for word in _QUOTED.findall(reason))
        query = _QUOTED.sub("", reasons[-1].partition(": ")[2] or reasons[-1])
        if not asked:
            return [passage for passage, _ in self.search(query, 1)]
        new: list[Passage] = []
        for word, times in asked.items():
            hits = [passage for passage, _ in self.search(f"{word} {query}", _DEPTH)]
            new += [hit for hit in hits if word in re.findall(r"\w+", hit.text)][:times]
        return new


class FixedLore:
    """An arm of the lore table: the same passages for a task at every attempt, or none."""

    def __init__(self, passages_by_task: dict[str, list[Passage]]) -> None:
        self._passages = passages_by_task

    def first(self, queries: Sequence[str], *, task_id: str) -> list[Passage]:
        """What was laid down for the task."""
        return self._passages.get(task_id, [])

    def again(
        self, found: Sequence[Passage], reasons: Sequence[str], *, used: Set[str]
    ) -> list[Passage]:
        """The same again."""
        return list(found)
