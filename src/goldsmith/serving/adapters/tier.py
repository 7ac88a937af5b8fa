"""The adapters of one tier: look at it, do the one next thing, look again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp

from goldsmith.config.run import Tier
from goldsmith.config.serving import ServingConfig
from goldsmith.errors import GoldsmithError
from goldsmith.serving.adapters.actions import (
    Action,
    Announce,
    Fetch,
    Flip,
    Load,
    Recycle,
    Settled,
    SetWeight,
    Unload,
    Verify,
    Wait,
)
from goldsmith.serving.adapters.catalogue import Catalogue
from goldsmith.serving.adapters.hosts import Host
from goldsmith.serving.adapters.observed import Observed, Replica, Router, Rules
from goldsmith.serving.adapters.places import addresses
from goldsmith.serving.adapters.protocol import next_action
from goldsmith.serving.adapters.replica import References, ReplicaKeeper
from goldsmith.serving.adapters.routers import RouterAdmin, RouterError, router_urls
from goldsmith.serving.engines import open_engine

log = logging.getLogger(__name__)

_SOON_S, _PATIENCE = 0.03, 1.5
"""First pause while something else must happen first, and how it grows from one to the next."""
_WATCH_S = 0.5
"""Between two glances at aliases and routers, when all is well; the longest pause."""
_SAFE_WHILE_SERVING = frozenset({"builtin"})
"""Engines that load an adapter beside running requests; vLLM has mixed adapters up (#47724)."""


class TierController:
    """See the module."""

    def __init__(
        self,
        tier: Tier,
        config: ServingConfig,
        *,
        catalogue: Catalogue,
        host: Host,
        session: aiohttp.ClientSession,
    ) -> None:
        self.tier, self.doing = tier, ""
        self._config, self._catalogue, self._host, self._session = config, catalogue, host, session
        self._keepers: dict[str, ReplicaKeeper] = {}
        self._references: References = {}
        self._routers: dict[str, RouterAdmin] = {}
        self._pause_s = _SOON_S

    async def run(self, stopped: asyncio.Event) -> None:
        """Keep the tier as the aliases say, until `stopped`."""
        while not stopped.is_set():
            try:
                await self._turn(stopped)
            except (GoldsmithError, OSError) as error:
                log.warning("%s: %s", self.tier, error)
                await _pause(stopped, _WATCH_S)

    async def look(self) -> Observed:
        """The tier as it is now."""
        wanted = await asyncio.to_thread(self._catalogue.wanted)
        (routers, silent), replicas = await asyncio.gather(
            self._see_routers(), self._see_replicas()
        )
        used = {name for router in routers for name, _ in router.aliases.values()}
        await asyncio.to_thread(self._catalogue.learn, used)
        return Observed(
            self.tier,
            wanted=wanted,
            obtainable=self._catalogue.obtainable,
            replicas=replicas,
            routers=routers,
            silent=silent,
            rules=self._rules(),
        )

    async def _turn(self, stopped: asyncio.Event) -> None:
        seen = await self.look()
        action = await self._do(seen)
        if isinstance(action, Wait):
            await _pause(stopped, self._pause_s)
            self._pause_s = min(_WATCH_S, self._pause_s * _PATIENCE)
            return
        self._pause_s = _SOON_S
        if isinstance(action, Settled):
            await self._rest(seen, stopped)

    async def _rest(self, seen: Observed, stopped: asyncio.Event) -> None:
        """Until something looks different, or it is time to look at the engines again."""
        glances = max(1, round(self._config.adapters.reconcile_s / _WATCH_S))
        for _ in range(glances):
            await _pause(stopped, _WATCH_S)
            wanted = await asyncio.to_thread(self._catalogue.wanted)
            routers, silent = await self._see_routers()
            changed = [_outlook(each) for each in routers] != [_outlook(r) for r in seen.routers]
            if stopped.is_set() or changed or silent or wanted != seen.wanted:
                return

    async def _do(self, seen: Observed) -> Action:
        action = next_action(seen)
        if str(action) != self.doing:
            self.doing = str(action)
            log.info("%s: %s", self.tier, action)
        if isinstance(action, Load):
            await self._vouch(seen, action.endpoint)
        await self._act(action)
        return action

    async def _vouch(self, seen: Observed, endpoint: str) -> None:
        """Repeat what a replica can answer with: a router that was told nothing trusts its list."""
        names = sorted(seen.announced(endpoint))
        await self._tell(lambda router: router.announce(endpoint, names))

    async def _act(self, action: Action) -> None:
        match action:
            case SetWeight(endpoint, weight):
                await self._tell(lambda router: router.set_weight(endpoint, weight))
            case Announce(endpoint, names):
                await self._tell(lambda router: router.announce(endpoint, names))
            case Flip(adapter, name, epoch):
                await self._tell(
                    lambda router: router.flip(self.tier, adapter, name=name, epoch=epoch)
                )
            case Fetch(endpoint, name):
                await self._keepers[endpoint].fetch(self._catalogue.by_name(name))
            case Load(endpoint, name):
                await self._keepers[endpoint].load(name)
            case Verify(endpoint, name):
                prompt = self._config.adapters.golden_prompt
                await self._keepers[endpoint].verify(name, prompt=prompt)
            case Unload(endpoint, name):
                await self._keepers[endpoint].unload(name)
            case Recycle(endpoint):
                await self._keepers[endpoint].recycle()

    async def _tell(self, say: Callable[[RouterAdmin], Awaitable[None]]) -> None:
        """Tell every router; one that fails is seen, and told again."""
        told = await asyncio.gather(*map(say, self._routers.values()), return_exceptions=True)
        for error in filter(None, told):
            if not isinstance(error, RouterError):
                raise error
            log.warning("%s: %s", self.tier, error)

    async def _see_routers(self) -> tuple[tuple[Router, ...], tuple[str, ...]]:
        """What the routers say, and which do not answer."""
        urls = await addresses(router_urls(self._config))
        known = {url: self._routers.get(url) or RouterAdmin(url, self._session) for url in urls}
        self._routers = known
        states = [router.state(self.tier) for router in known.values()]
        found = await asyncio.gather(*states, return_exceptions=True)
        silent = []
        for url, state in zip(known, found, strict=True):
            if isinstance(state, RouterError):
                silent.append(url)
            elif isinstance(state, BaseException):
                raise state
        return tuple(each for each in found if isinstance(each, Router)), tuple(silent)

    async def _see_replicas(self) -> tuple[Replica, ...]:
        endpoints = await addresses(self._config.tiers[self.tier].endpoints)
        self._keepers = {each: self._keepers.get(each) or self._keeper(each) for each in endpoints}
        return tuple(await asyncio.gather(*(each.look() for each in self._keepers.values())))

    def _keeper(self, endpoint: str) -> ReplicaKeeper:
        engine = open_engine(self._config.tiers[self.tier].engine, endpoint, self._session)
        return ReplicaKeeper(engine, self._host, references=self._references)

    def _rules(self) -> Rules:
        settings = self._config.adapters
        return Rules(
            spare=1 if settings.quorum == "all-but-one" else 0,
            max_loaded=settings.max_loaded,
            recycle_after=settings.recycle_after if self._host.recycles else 0,
            must_drain=self._config.tiers[self.tier].engine not in _SAFE_WHILE_SERVING,
        )


def _outlook(router: Router) -> object:
    """What a router says less its counts, which change all the time."""
    return router.url, router.healthy, router.weights, router.announced, router.aliases


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return
