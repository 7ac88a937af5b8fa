"""Brings back replicas whose breaker is open: the router asks them itself, no user has to."""

from __future__ import annotations

import asyncio
import logging

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.engines import EngineError, Request
from goldsmith.serving.router.breakers import FIRST_S
from goldsmith.serving.router.failures import is_callers_fault
from goldsmith.serving.router.fleet import Fleet
from goldsmith.serving.router.patience import LENGTH_TIMES
from goldsmith.serving.router.replica import Replica

log = logging.getLogger(__name__)

PROMPT, TOKENS = "Once upon a time", 16
"""No chat, since a model may have no template; and more than the first tokens of a stream."""


class Trials:
    """A task for each replica that is left alone, until it is well or has left its tier."""

    def __init__(self, config: ServingConfig, fleet: Fleet) -> None:
        self._config, self._fleet = config, fleet
        self._tasks: set[asyncio.Task[None]] = set()
        fleet.on_open = self._begin

    async def stop(self) -> None:
        """End all tasks, and begin no more."""
        self._fleet.on_open = lambda replica: None
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
            await asyncio.sleep(breaker.wait_s if replica.answers else FIRST_S)
            if self._fleet.replicas.get(replica.url) is not replica:
                return
            if replica.answers and (well := await self._is_well(replica)) is not None:
                self._fleet.tried(replica, well=well)

    async def _is_well(self, replica: Replica) -> bool | None:
        """Whether it answers whole; None: it is too busy to tell."""
        request = Request(model=replica.base_model, prompt=PROMPT, max_tokens=TOKENS)
        try:
            async with asyncio.timeout(self._limit_s(replica)):
                async for _ in replica.engine.stream(request):
                    pass
        except EngineError as error:
            log.info("%s in a trial: %s", replica.url, error)
            return None if error.status == 429 else is_callers_fault(error.status)
        except TimeoutError:
            log.info("%s took too long in a trial", replica.url)
            return False
        except Exception:
            log.exception("%s in a trial", replica.url)
            return False
        return True

    def _limit_s(self, replica: Replica) -> float:
        """As for a user's whole answer."""
        settings = self._config.tiers[replica.tier]  # type: ignore[index]  # a tier's name
        length_s = LENGTH_TIMES * TOKENS / settings.decode_tokens_per_s
        return self._config.router.first_byte_timeout_ms / 1e3 + length_s
