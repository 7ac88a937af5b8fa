"""BM25 search over a lore pack: what retriever A, evaluation and serving all look things up with.

The index is in memory and built by one thread, so that equal packs give equal answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from goldsmith.tasks.domain import Passage

_WRITER_BYTES = 15_000_000
"""The least that tantivy accepts for one writing thread."""


class LoreIndex:
    """A searchable lore pack."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self.passages = {passage.passage_id: passage for passage in passages}
        self._index = _build(self.passages.values())
        self._searcher = self._index.searcher()

    def search(self, query: str, k: int) -> list[tuple[Passage, float]]:
        """The at most `k` best passages with their BM25 scores, best first, ties by passage id."""
        words = re.findall(r"\w+", query.lower())
        if not words or not self.passages:
            return []
        parsed, _ = self._index.parse_query_lenient(" ".join(words), ["title", "text"])
        hits = self._searcher.search(parsed, limit=2 * k).hits
        found = [
            (self.passages[self._searcher.doc(address)["passage_id"][0]], float(score))
            for score, address in hits
        ]
        return sorted(found, key=lambda hit: (-hit[1], hit[0].passage_id))[:k]

    def gather(self, queries: Sequence[str], k: int) -> list[Passage]:
        """At most `k` passages for several queries: every query's best first, then its second."""
        answers = [self.search(query, k) for query in queries]
        ranked = [answer[rank][0] for rank in range(k) for answer in answers if rank < len(answer)]
        return list({passage.passage_id: passage for passage in ranked}.values())[:k]


def as_shown(passages: Sequence[Passage], *, task_id: str) -> tuple[tuple[str, str], ...]:
    """(id, text) pairs in an order drawn by the task, so that rank is no cue for the student."""
    ordered = sorted(passages, key=lambda passage: passage.passage_id)
    Random(task_id).shuffle(ordered)
    return tuple((passage.passage_id, passage.text) for passage in ordered)


def _build(passages: Iterable[Passage]) -> Any:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("passage_id", stored=True, tokenizer_name="raw")
    schema.add_text_field("title", tokenizer_name="en_stem")
    schema.add_text_field("text", tokenizer_name="en_stem")
    index = tantivy.Index(schema.build())
    writer = index.writer(heap_size=_WRITER_BYTES, num_threads=1)
    for passage in passages:
        writer.add_document(
            tantivy.Document(passage_id=passage.passage_id, title=passage.title, text=passage.text)
        )
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index
