"""The thread that owns the model: waiting requests join its batch, all advance, the done leave."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence

import torch

from goldsmith.serving.builtin.batch import Batch
from goldsmith.serving.builtin.rows import Failure, Row, Token
from goldsmith.serving.builtin.sampling import choose

logger = logging.getLogger(__name__)

_JOIN_AT_ONCE = 4
"""Prompts read between two tokens of the others: more delays those, fewer delays these."""


class Worker(threading.Thread):
    """Decodes rows; readers on the event loop get each row's tokens from its queue."""

    def __init__(self, batch: Batch, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="decode", daemon=True)
        self._batch, self._loop = batch, loop
        self._rows: list[Row] = []
        self._waiting: deque[Row] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self.broken = ""
        """Why no more rows are decoded; empty while all is well."""
        self.prompt_tokens, self.generated_tokens = 0, 0

    @property
    def running(self) -> int:
        """Rows that decode."""
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """Rows that wait for a place."""
        return len(self._waiting)

    @property
    def tokens(self) -> int:
        """Positions of the cache in use."""
        return self._batch.tokens

    def submit(self, row: Row) -> None:
        """Decode a row as soon as there is a place; called on the event loop."""
        with self._changed:
            if self.broken:
                row.events.put_nowait(Failure(self.broken))
                return
            self._waiting.append(row)
            self._changed.notify()

    def cancel(self, row: Row) -> None:
        """Decode a row no further; at most one more token is computed."""
        row.cancelled = True

    def stop(self) -> None:
        """End the thread; what is not done is not finished."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Until `stop`, or until the model raises."""
        try:
            while (joining := self._next()) is not None:
                self._advance(joining)
        except Exception as error:
            logger.exception("The model broke")
            self._fail(f"{type(error).__name__}: {error}")

    def _next(self) -> list[Row] | None:
        """Rows that join now, after waiting until there is work; None at the end."""
        with self._changed:
            while not (self._waiting or self._rows or self._stopping):
                self._changed.wait()
            if self._stopping:
                return None
            self._waiting = deque(row for row in self._waiting if not row.cancelled)
            free = min(self._batch.places - len(self._rows), _JOIN_AT_ONCE)
            return [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]

    def _advance(self, joining: list[Row]) -> None:
        """One token for every row, the first one for those that join."""
        self._remove([place for place, row in enumerate(self._rows) if row.cancelled])
        told: list[tuple[Row, Token]] = []
        if self._rows:
            logits = self._batch.step([row.last_token for row in self._rows])
            told += self._choose(logits, self._rows)
        for row in joining:
            logits = self._batch.join(row.prompt, row.adapter)
            self.prompt_tokens += len(row.prompt)
            self._rows.append(row)
            told += self._choose(logits, [row])
        self.generated_tokens += len(told)
        self._remove([place for place, (_, token) in enumerate(told) if token.finish_reason])
        self._tell(told)

    def _choose(self, logits: torch.Tensor, rows: list[Row]) -> list[tuple[Row, Token]]:
        choices = choose(logits, [row.sampling for row in rows], [row.random for row in rows])
        return [(row, row.take(choice)) for row, choice in zip(rows, choices, strict=True)]

    def _remove(self, places: list[int]) -> None:
        """From the last place to the first, since the last row moves into each."""
        for place in reversed(places):
            self._batch.leave(place)
            self._rows[place] = self._rows[-1]
            del self._rows[-1]

    def _tell(self, told: list[tuple[Row, Token]]) -> None:
        if told:
            self._loop.call_soon_threadsafe(_deliver, told)

    def _fail(self, why: str) -> None:
        with self._changed:
            self.broken = why
            rows = [*self._rows, *self._waiting]
            self._rows, self._waiting = [], deque()
        self._loop.call_soon_threadsafe(_deliver, [(row, Failure(why)) for row in rows])


def _deliver(told: Sequence[tuple[Row, Token | Failure]]) -> None:
    for row, event in told:
        row.events.put_nowait(event)
