"""The watch over what is overdue."""

from __future__ import annotations

import asyncio

from goldsmith.serving.router.watch import Watch


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
        early = Thing(watch, float("inf"))
        for thing in (broken, late, early):
            watch.add(thing)
        await asyncio.wait_for(asyncio.gather(broken.seen.wait(), late.seen.wait()), 5)
        assert not early.seen.is_set()
        watch.stop()

    asyncio.run(run())
