"""Brings back replicas whose breaker is open: the router asks them itself, no user has to."""

from __future__ import annotations

import asyncio
import logging

from goldsmith.serving.engines import EngineError, Request
from goldsmith.serving.router.fleet import Fleet
from goldsmith.serving.router.replica import Replica

log = logging.getLogger(__name__)

TOKENS = 16
"""Long enough that a replica which breaks streams off does so."""
_MESSAGES = ({"role": "user", "content": "Say a few words."},)


class Trials:
    """A task for each replica that is left alone; each gives up after `timeout_s` a trial."""

    def __init__(self, fleet: Fleet, *, timeout_s: float) -> None:
        self._fleet, self._timeout_s = fleet, timeout_s
        self._tasks: set[asyncio.Task[None]] = set()
        fleet.on_open = self._begin

    async def stop(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, replica: Replica) -> None:
        task = asyncio.create_task(self._bring_back(replica), name=f"trials of {replica.url}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_back(self, replica: Replica) -> None:
        breaker = replica.breaker
        while breaker.is_open:
            await asyncio.sleep(breaker.wait_s)
            if self._fleet.replicas.get(replica.url) is not replica:
                return
            if replica.answers:
                self._fleet.tried(replica, well=await self._is_well(replica))

    async def _is_well(self, replica: Replica) -> bool:
        request = Request(model=replica.base_model, messages=_MESSAGES, max_tokens=TOKENS)
        try:
            async with asyncio.timeout(self._timeout_s):
                async for _ in replica.engine.stream(request):
                    pass
        except (EngineError, TimeoutError) as error:
            log.info("%s failed a trial: %s", replica.url, error or type(error).__name__)
            return False
        return True
