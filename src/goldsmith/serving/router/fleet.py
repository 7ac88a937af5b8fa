"""All replicas: which there are, which are well, and what the brain is told of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import aiohttp

from goldsmith.config.serving import ServingConfig
from goldsmith.errors import GoldsmithError
from goldsmith.serving.engines import open_engine
from goldsmith.serving.router.admission import Gate
from goldsmith.serving.router.aliases import Aliases
from goldsmith.serving.router.replica import Replica
from goldsmith.serving.routing import events

log = logging.getLogger(__name__)

Observe = Callable[[events.Observation], None]


class ReplicaGoneError(GoldsmithError, ConnectionError):
    """The replica left or broke while a request waited for it."""


class Fleet:
    """Replicas by URL; every change goes through here."""

    def __init__(
        self,
        config: ServingConfig,
        session: aiohttp.ClientSession,
        *,
        observe: Observe,
        aliases: Aliases,
    ) -> None:
        self.replicas: dict[str, Replica] = {}
        self.tiers: dict[str, tuple[str, ...]] = dict.fromkeys(config.tiers, ())
        self._config, self._session = config, session
        self._observe, self._aliases = observe, aliases
        self.on_change: Callable[[], None] = lambda: None
        self.on_down: Callable[[Replica], None] = lambda replica: None
        self.on_open: Callable[[Replica], None] = lambda replica: None

    def place(self, tier: str, urls: tuple[str, ...]) -> None:
        """The replicas of a tier from now on."""
        urls = tuple(dict.fromkeys(url.rstrip("/") for url in urls))
        if urls == self.tiers[tier]:
            return
        gone = set(self.tiers[tier]) - set(urls)
        self.tiers[tier] = urls
        self._observe(events.Endpoints(time.monotonic(), tier, urls))
        for url in urls:
            if url not in self.replicas:
                self._add(tier, url)
        still = {url for each in self.tiers.values() for url in each}
        for url in gone - still:
            replica = self.replicas.pop(url)
            replica.gate.turn_all_away(ReplicaGoneError(f"{url} left tier {tier}"))
        self.on_change()

    def _add(self, tier: str, url: str) -> None:
        settings = self._config.tiers[tier]  # type: ignore[index]  # a tier's name
        replica = self.replicas[url] = Replica(
            url=url,
            tier=tier,
            base_model=settings.model or tier,
            engine=open_engine(settings.engine, url, self._session),
            gate=Gate(settings.slots),
        )
        self._observe(events.Health(time.monotonic(), url, replica.healthy))

    def of(self, tier: str) -> list[Replica]:
        """The replicas of a tier."""
        return [self.replicas[url] for url in self.tiers[tier]]

    def tell(self, replica: Replica) -> None:
        """Tell the brain whether requests may go there, if that changed."""
        healthy = replica.answers and not replica.breaker.is_open
        if healthy == replica.healthy or self.replicas.get(replica.url) is not replica:
            return
        replica.healthy = healthy
        self._observe(events.Health(time.monotonic(), replica.url, healthy))
        if not healthy:
            replica.gate.turn_all_away(ReplicaGoneError(f"{replica.url} is not well"))

    def probed(self, replica: Replica, answers: bool) -> None:
        """What a probe said, or a connection that failed."""
        fell = replica.answers and not answers
        if answers and not replica.answers:
            replica.models_at = -math.inf  # it may have been restarted
        replica.answers = answers
        self.tell(replica)
        if fell:
            self.on_down(replica)

    def succeeded(self, replica: Replica) -> None:
        """It answered a request whole."""
        replica.breaker.succeeded()

    def failed(self, replica: Replica) -> None:
        """It failed a request; too many open the breaker."""
        if replica.breaker.failed():
            log.warning("%s fails its requests: none goes there", replica.url)
            self.tell(replica)
            self.on_open(replica)

    def tried(self, replica: Replica, *, well: bool) -> None:
        """What a trial showed, while its breaker was open; one that is alone has no probation."""
        replica.breaker.tried(well=well)
        if well:
            log.info("%s is well again", replica.url)
            if not self.others_than(replica, replica.tier, ()):
                replica.breaker.acquit()
        self.tell(replica)

    def others_than(self, replica: Replica, tier: str, excluded: tuple[str, ...]) -> bool:
        """Whether the tier has another replica that may be sent to, but for those excluded."""
        return any(
            each.healthy and each.weight > 0 and each.url not in excluded
            for each in self.of(tier)
            if each is not replica
        )

    def weigh(self, replica: Replica, weight: float) -> None:
        """Share of its turns that it gets."""
        replica.weight = weight
        self._observe(events.Weight(time.monotonic(), replica.url, weight))

    def told_models(self, replica: Replica, models: tuple[str, ...], *, asked_at: float) -> None:
        """What it has loaded."""
        before = replica.ready
        replica.listed(models, asked_at=asked_at)
        self._tell_adapters(replica, before)

    def vouched(self, replica: Replica, names: list[str]) -> None:
        """What the adapter controller checked on it."""
        before = replica.ready
        replica.vouch(names)
        self._tell_adapters(replica, before)

    def lost(self, replica: Replica, name: str) -> None:
        """It has lost an adapter."""
        before = replica.ready
        replica.lost(name)
        self._tell_adapters(replica, before)

    def _tell_adapters(self, replica: Replica, before: tuple[str, ...]) -> None:
        if replica.ready == before or self.replicas.get(replica.url) is not replica:
            return
        self._observe(events.Adapters(time.monotonic(), replica.url, replica.ready))
        names = {name for each in self.of(replica.tier) for name in each.ready}
        self._aliases.adopt(replica.tier, names)
