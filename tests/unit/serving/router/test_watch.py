"""The watch over what is overdue."""

from __future__ import annotations

import asyncio
import math
import time

from goldsmith.serving.router.watch import EVERY_S, RARELY_S, Watch


class Thing:
    """Something with a time limit."""

    def __init__(self, watch: Watch, due: float, *, breaks: bool = False) -> None:
        self.watch, self.due, self.breaks = watch, due, breaks
        self.seen = asyncio.Event()

    def late(self, now: float) -> None:
        """Overdue."""
        self.watch.discard(self)
        self.seen.set()
        if self.breaks:
            raise RuntimeError("a bug")


def test_what_is_overdue_is_told_even_if_another_one_breaks() -> None:
    async def run() -> None:
        watch = Watch()
        broken, late = Thing(watch, 0.0, breaks=True), Thing(watch, 0.0)
        early = Thing(watch, math.inf)
        for thing in (broken, late, early):
            watch.add(thing)
        await asyncio.wait_for(asyncio.gather(broken.seen.wait(), late.seen.wait()), 5)
        assert not early.seen.is_set()
        watch.stop()

    asyncio.run(run())


class Counted(Thing):
    """It counts how often it is looked at."""

    looks = 0

    @property  # type: ignore[override]  # a plain attribute there
    def due(self) -> float:
        self.looks += 1
        return self.at

    @due.setter
    def due(self, at: float) -> None:
        self.at = at


def test_it_looks_rarely_at_what_is_due_much_later() -> None:
    async def run() -> None:
        watch = Watch()
        early, late = Counted(watch, time.monotonic() + 60), Thing(watch, time.monotonic() + 0.4)
        watch.add(early)
        watch.add(late)
        await asyncio.wait_for(late.seen.wait(), 5)
        assert early.looks <= 4  # 2 when it was added, 2 at the look
        watch.stop()

    asyncio.run(run())


def test_what_is_due_soon_does_not_wait_for_what_is_due_later() -> None:
    async def run() -> None:
        watch, began = Watch(), time.monotonic()
        watch.add(Thing(watch, began + 60))
        soon = Thing(watch, began + EVERY_S)
        watch.add(soon)
        await asyncio.wait_for(soon.seen.wait(), 5)
        assert time.monotonic() - began < RARELY_S / 2  # not at the look that was planned
        watch.stop()

    asyncio.run(run())


def test_a_due_time_that_comes_nearer_unsaid_is_seen_at_the_next_look() -> None:
    async def run() -> None:
        watch = Watch()
        thing = Thing(watch, math.inf)
        watch.add(thing)
        thing.due = 0.0
        await asyncio.wait_for(thing.seen.wait(), 3 * RARELY_S)
        watch.stop()

    asyncio.run(run())
