"""The watch: one timer that finds requests which are overdue, instead of a timer for each."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any

log = logging.getLogger(__name__)

EVERY_S, RARELY_S = 0.04, 1.0
"""Between two looks at least, and at most: what changes its `due` does not say so."""
GRAIN_S = 0.002
"""uvloop counts whole milliseconds, and comes as much too early."""


class Watch:
    """A set of things with a `due` time and `late(now)`; sleeps while it is empty."""

    def __init__(self) -> None:
        self._watched: set[Any] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = math.inf

    def add(self, watched: Any) -> None:
        """Look after it."""
        self._watched.add(watched)
        if self._timer is None or watched.due < self._next_look:
            self._look_by(watched.due)

    def discard(self, watched: Any) -> None:
        """Look after it no more."""
        self._watched.discard(watched)

    def all(self) -> list[Any]:
        """What it looks after."""
        return list(self._watched)

    def stop(self) -> None:
        """Look after nothing."""
        self._watched.clear()
        self._forget_timer()

    def _look_by(self, due: float) -> None:
        now = time.monotonic()
        wait_s = min(max(due - now + GRAIN_S, EVERY_S), RARELY_S)
        if now + wait_s < self._next_look:
            self._forget_timer()
            self._next_look = now + wait_s
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._look)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next_look = None, math.inf

    def _look(self) -> None:
        self._timer, self._next_look = None, math.inf
        now = time.monotonic()
        for watched in [each for each in self._watched if each.due <= now]:
            try:
                watched.late(now)
            except Exception:
                log.exception("An overdue request")
        if self._watched:
            self._look_by(min(each.due for each in self._watched))
