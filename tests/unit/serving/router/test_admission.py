"""Who gets a slot, and who is turned away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from goldsmith.serving.router.admission import Admission, Gate
from goldsmith.serving.router.refusal import Refusal
from goldsmith.serving.router.watch import Watch


class Queue:
    """One gate with one slot, which is taken."""

    def __init__(self, max_waiting: int = 10) -> None:
        self.watch = Watch()
        self.admission, self.gate = Admission(max_waiting, self.watch), Gate(1)
        self.order: list[str] = []
        assert self.gate.enter()

    async def _wait(self, name: str, priority: int, is_async: bool, deadline: float) -> None:
        await self.admission.wait(
            self.gate, priority=priority, is_async=is_async, deadline=deadline
        )
        self.order.append(name)
        self.gate.leave()

    async def join(
        self, name: str, *, priority: int = 0, is_async: bool = False, within_s: float = 60.0
    ) -> asyncio.Task[None]:
        """One more that waits."""
        deadline = time.monotonic() + within_s
        task = asyncio.create_task(self._wait(name, priority, is_async, deadline))
        await asyncio.sleep(0)
        return task


def played(play: Callable[[Queue], Awaitable[None]], max_waiting: int = 10) -> Queue:
    async def run() -> Queue:
        queue = Queue(max_waiting)
        await play(queue)
        queue.watch.stop()
        return queue

    return asyncio.run(run())


def test_the_more_urgent_one_is_served_first() -> None:
    async def play(queue: Queue) -> None:
        tasks = [
            await queue.join("job", is_async=True, priority=5),
            await queue.join("normal"),
            await queue.join("sooner", within_s=30),
            await queue.join("high", priority=1),
        ]
        queue.gate.leave()
        await asyncio.gather(*tasks)

    queue = played(play)
    assert queue.order == ["high", "sooner", "normal", "job"]
    assert queue.gate.busy == 0


def test_nobody_overtakes_those_who_wait() -> None:
    async def play(queue: Queue) -> None:
        task = await queue.join("first")
        queue.gate.leave()
        assert not queue.gate.enter()  # the slot is handed over already
        await task
        assert queue.gate.enter()

    played(play)


def test_a_deadline_turns_away() -> None:
    async def play(queue: Queue) -> None:
        with pytest.raises(Refusal) as caught:
            await (await queue.join("late", within_s=0.01))
        assert (caught.value.status, caught.value.retry_after_s) == (429, 1.0)

    assert played(play).order == []


def test_only_so_many_wait_and_the_least_urgent_goes() -> None:
    async def play(queue: Queue) -> None:
        low = await queue.join("low", priority=-1)
        normal = await queue.join("normal")
        high = await queue.join("high", priority=1)
        with pytest.raises(Refusal):
            await low
        with pytest.raises(Refusal):
            await (await queue.join("low again", priority=-1))
        queue.gate.leave()
        await asyncio.gather(normal, high)

    assert played(play, max_waiting=2).order == ["high", "normal"]


def test_a_cancelled_waiter_keeps_no_slot() -> None:
    async def play(queue: Queue) -> None:
        waiting = await queue.join("waits")
        waiting.cancel()
        handed = await queue.join("handed")
        queue.gate.leave()
        handed.cancel()  # in the same moment as the slot comes
        await asyncio.gather(waiting, handed, return_exceptions=True)

    queue = played(play)
    assert (queue.gate.busy, queue.gate.heap, queue.admission.waiters) == (0, [], set())
