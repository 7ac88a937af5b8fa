"""The watch: looks every few ms for requests that are overdue, instead of a timer for each."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

log = logging.getLogger(__name__)

EVERY_S = 0.04


class Watch:
    """A set of things with a `due` time and `late(now)`; sleeps while it is empty."""

    def __init__(self) -> None:
        self._watched: set[Any] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, watched: Any) -> None:
        """Look after it."""
        self._watched.add(watched)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def discard(self, watched: Any) -> None:
        """Look after it no more."""
        self._watched.discard(watched)

    def all(self) -> list[Any]:
        """What it looks after."""
        return list(self._watched)

    def stop(self) -> None:
        """Look after nothing."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for watched in [each for each in self._watched if each.due <= now]:
            try:
                watched.late(now)
            except Exception:
                log.exception("An overdue request")
        if self._watched:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)
