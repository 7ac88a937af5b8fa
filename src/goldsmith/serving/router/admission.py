"""Who waits for a slot of a replica: the more urgent first, each until its deadline, few at all."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field

from goldsmith.serving.router.refusal import Refusal
from goldsmith.serving.router.watch import Watch

Rank = tuple[int, int, float, int]


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that waits."""

    rank: Rank
    due: float
    future: asyncio.Future[None]
    gate: Gate

    def __lt__(self, other: Waiter) -> bool:
        return self.rank < other.rank

    def late(self, now: float) -> None:
        """Its deadline is over."""
        self.gate.turn_away(self, _refusal("no slot was free before the request's deadline"))


@dataclass(slots=True, eq=False)
class Gate:
    """The slots of one replica; what it cannot run at once waits here, not in the engine."""

    slots: int
    busy: int = 0
    heap: list[Waiter] = field(default_factory=list)

    def enter(self) -> bool:
        """Take a slot if one is free and nobody waits."""
        if self.busy >= self.slots or self.heap:
            return False
        self.busy += 1
        return True

    def leave(self) -> None:
        """Give the slot back, or to the most urgent one that waits."""
        self.busy -= 1
        while self.heap and self.busy < self.slots:
            waiter = heapq.heappop(self.heap)
            if not waiter.future.done():
                self.busy += 1
                waiter.future.set_result(None)

    def turn_away(self, waiter: Waiter, error: BaseException) -> None:
        """One waits no more."""
        if waiter in self.heap:
            self.heap.remove(waiter)
            heapq.heapify(self.heap)
        if not waiter.future.done():
            waiter.future.set_exception(error)

    def turn_all_away(self, error: Exception) -> None:
        """The replica is gone: they try elsewhere."""
        for waiter in tuple(self.heap):
            self.turn_away(waiter, error)


class Admission:
    """Waiting at all gates, with one bound."""

    def __init__(self, max_waiting: int, watch: Watch) -> None:
        self.waiters: set[Waiter] = set()
        self._watch = watch
        self._max_waiting = max_waiting
        self._number = 0

    async def wait(self, gate: Gate, *, priority: int, is_async: bool, deadline: float) -> None:
        """Wait for a slot, which is the caller's then; Refusal (429) if it takes too long."""
        self._number += 1
        rank = (int(is_async), -priority, deadline, self._number)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(rank, deadline, future, gate)
        self._make_room(waiter)
        heapq.heappush(gate.heap, waiter)
        self.waiters.add(waiter)
        self._watch.add(waiter)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                gate.leave()  # the slot came in the same moment
            gate.turn_away(waiter, asyncio.CancelledError())
            raise
        finally:
            self.waiters.discard(waiter)
            self._watch.discard(waiter)

    def _make_room(self, waiter: Waiter) -> None:
        """The least urgent one goes, which may be the newcomer."""
        if len(self.waiters) < self._max_waiting:
            return
        refusal = _refusal(f"all slots are busy and {self._max_waiting} requests wait")
        worst = max(self.waiters)
        if worst < waiter:
            raise refusal
        worst.gate.turn_away(worst, refusal)
        self.waiters.discard(worst)


def _refusal(what: str) -> Refusal:
    return Refusal(429, "overloaded", what, fix="come back later", retry_after_s=1.0)
