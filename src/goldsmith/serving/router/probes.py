"""Looks after the replicas: names resolved every 2 s, health, models and load every second."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from urllib.parse import urlsplit

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.engines import EngineError, LoadFigures
from goldsmith.serving.router.fleet import Fleet, Observe
from goldsmith.serving.router.replica import Replica
from goldsmith.serving.routing import events

log = logging.getLogger(__name__)

PROBE_EVERY_S, RESOLVE_EVERY_S = 1.0, 2.0
MODELS_EVERY_S = 2.0
TIMEOUT_S, SUSPECTED_TIMEOUT_S = 1.0, 0.3
LEAST_BETWEEN_S = 0.25
"""Between two probes of one replica, however much it is suspected."""


class Probes:
    """One task a replica, and one for the names."""

    def __init__(self, config: ServingConfig, fleet: Fleet, observe: Observe) -> None:
        self._config, self._fleet, self._observe = config, fleet, observe
        self._tasks: dict[Replica, asyncio.Task[None]] = {}
        self._suspected: dict[Replica, asyncio.Event] = {}
        self._names: asyncio.Task[None] | None = None
        fleet.on_change = self._follow

    async def start(self) -> None:
        """Resolve and probe all once, then go on until `stop`."""
        await self.resolve()
        await asyncio.gather(*(self.probe(each) for each in self._fleet.replicas.values()))
        self._follow()
        self._names = asyncio.create_task(self._keep_resolving(), name="resolve")

    async def stop(self) -> None:
        """End all tasks."""
        tasks = [*self._tasks.values(), *([self._names] if self._names else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def suspect(self, replica: Replica) -> None:
        """Probe it now: a request waits longer than it should."""
        if event := self._suspected.get(replica):
            event.set()

    def _follow(self) -> None:
        """A task for each replica that there is, none for those that left."""
        there = set(self._fleet.replicas.values())
        for replica in self._tasks.keys() - there:
            self._tasks.pop(replica).cancel()
            self._suspected.pop(replica, None)
        for replica in there - self._tasks.keys():
            self._suspected[replica] = asyncio.Event()
            task = asyncio.create_task(self._keep_probing(replica), name=f"probe {replica.url}")
            self._tasks[replica] = task

    async def _keep_probing(self, replica: Replica) -> None:
        suspected = self._suspected[replica]
        while True:
            try:
                await self.probe(replica)
            except Exception:
                log.exception("Probe of %s", replica.url)
            suspected.clear()
            await asyncio.sleep(LEAST_BETWEEN_S)
            try:
                async with asyncio.timeout(PROBE_EVERY_S - LEAST_BETWEEN_S):
                    await suspected.wait()
            except TimeoutError:
                continue

    async def probe(self, replica: Replica) -> None:
        """Health, then what it has loaded and how busy it is."""
        event = self._suspected.get(replica)
        is_suspected = event is not None and event.is_set()
        asked_at = time.monotonic()
        answers = await self._answers(replica, is_suspected)
        if not answers and replica.byte_at > asked_at:
            answers = True  # too busy for the probe, but it writes answers
        if answers != replica.answers:
            log.info("%s is %s", replica.url, "up" if answers else "down")
        self._fleet.probed(replica, answers)
        if answers and not replica.timeouts:
            await self._figures(replica)

    async def _answers(self, replica: Replica, is_suspected: bool) -> bool:
        """One probe that times out may meet a busy engine; two do not, nor one on suspicion."""
        timeout_s = SUSPECTED_TIMEOUT_S if is_suspected else TIMEOUT_S
        try:
            async with asyncio.timeout(timeout_s):
                answers = await replica.engine.health()
        except TimeoutError:
            replica.timeouts += 1
            return replica.answers and replica.timeouts < 2 and not is_suspected
        replica.timeouts = 0
        return answers

    async def _figures(self, replica: Replica) -> None:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if asked_at - replica.models_at >= MODELS_EVERY_S:
                    models = tuple(await replica.engine.models())
                    self._fleet.told_models(replica, models, asked_at=asked_at)
                if "load" not in replica.engine.lacks:
                    self._told_load(replica, await replica.engine.load())
        except (EngineError, TimeoutError) as error:
            log.debug("No figures of %s: %s", replica.url, error)

    def _told_load(self, replica: Replica, load: LoadFigures) -> None:
        idle = replica.load == load and not load.running and not load.waiting
        replica.load = load
        if not idle:
            now = time.monotonic()
            self._observe(events.Load(now, replica.url, load.running, load.waiting, load.kv_use))

    async def _keep_resolving(self) -> None:
        while True:
            await asyncio.sleep(RESOLVE_EVERY_S)
            await self.resolve()

    async def resolve(self) -> None:
        """The replicas of each tier, names taken apart into addresses."""
        for tier, settings in self._config.tiers.items():
            urls: list[str] = []
            for endpoint in settings.endpoints:
                urls += await self._addresses(tier, endpoint)
            self._fleet.place(tier, tuple(urls))

    async def _addresses(self, tier: str, endpoint: str) -> list[str]:
        """`dns://host:port` as one URL an address; the old ones where the name does not resolve."""
        if not endpoint.startswith("dns://"):
            return [endpoint]
        parts = urlsplit(endpoint)
        port = parts.port or 8080
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError as error:
            log.warning("%s of tier %s does not resolve: %s", endpoint, tier, error)
            return [url for url in self._fleet.tiers[tier] if url.endswith(f":{port}")]
        hosts = sorted({str(address[0]) for *_, address in found})
        return [
            f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts
        ]
