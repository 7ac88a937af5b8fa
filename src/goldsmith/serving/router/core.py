"""`Core`: what all requests share, and the only way to the brain."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.router.admission import Admission
from goldsmith.serving.router.aliases import Aliases
from goldsmith.serving.router.ask import Ask, Reader
from goldsmith.serving.router.credentials import Credentials
from goldsmith.serving.router.fleet import Fleet
from goldsmith.serving.router.forward import start_hedge
from goldsmith.serving.router.leg import Leg
from goldsmith.serving.router.metrics import Metrics
from goldsmith.serving.router.patience import Patience
from goldsmith.serving.router.probes import Probes
from goldsmith.serving.router.replica import Replica
from goldsmith.serving.router.settle import Finished
from goldsmith.serving.router.trials import Trials
from goldsmith.serving.router.watch import Watch
from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.decision import Decision
from goldsmith.serving.routing.events import Arrived, Observation
from goldsmith.serving.routing.log import DecisionLog
from goldsmith.serving.traces.sender import Sender

RECENT = 50
KEEP_ALIVE_S = 4.0
"""Less than uvicorn's and vLLM's 5 s: who closes first must be the one who knows of it."""
ASYNC_WAIT_S = 600.0
"""How long an async request may wait for a slot."""


class Core:
    """State of one router; made in its running loop."""

    async_wait_s = ASYNC_WAIT_S

    def __init__(self, config: ServingConfig) -> None:
        self.config, self.settings = config, config.router
        self.session = open_session(config)
        self.brain = Brain(config)
        path = config.router.decision_log
        self.log = DecisionLog(Path(path), config) if path else None
        self.metrics = Metrics()
        self.aliases = Aliases()
        self.fleet = Fleet(config, self.session, observe=self.observe, aliases=self.aliases)
        self.probes = Probes(config, self.fleet, self.observe)
        self.trials = Trials(config, self.fleet)
        self.fleet.on_down = self._leave
        self.reader = Reader(tuple(config.tiers), self.aliases)
        self.credentials = Credentials(config.credentials, self.session)
        self.models: dict[str, str] = {tier: config.model_name(tier) for tier in config.tiers}
        """What each tier's engine calls its base model."""
        self.slo_ms: dict[str, float] = {
            tier: settings.slo_ttft_ms for tier, settings in config.tiers.items()
        }
        self.watch = Watch()
        self.admission = Admission(config.router.max_waiting, self.watch)
        self.patience = Patience(config)
        self.sender = Sender(config.traces, self.session) if config.traces.collector else None
        self.recent: deque[Finished] = deque(maxlen=RECENT)
        """For the console."""
        self.pins: Counter[str] = Counter()
        """Requests by the adapter version that they resolved to."""
        self.spent_this_hour_usd = 0.0
        self._hour = 0
        self.hedge_credit = 1.0
        self.draining = False
        self.idle_timeout_s = config.router.idle_timeout_ms / 1e3
        self.dearest_in = max(tier.price_in for tier in config.tiers.values()) / 1e6
        self.dearest_out = max(tier.price_out for tier in config.tiers.values()) / 1e6

    async def start(self) -> None:
        """Find the replicas and begin to watch them."""
        if self.sender:
            self.sender.start()
        await self.probes.start()

    async def stop(self, *, timeout_s: float = 5.0) -> None:
        """End what runs beside the requests; traces that wait are sent within `timeout_s`."""
        await self.probes.stop()
        await self.trials.stop()
        self.watch.stop()
        if self.sender:
            await self.sender.close(timeout_s=timeout_s)
        await self.session.close()
        if self.log:
            self.log.close()

    @contextmanager
    def pinned(self, adapter: str) -> Iterator[None]:
        """A request means this version until it ends: it must not be unloaded meanwhile."""
        if not adapter:
            yield
            return
        self.pins[adapter] += 1
        try:
            yield
        finally:
            self.pins[adapter] -= 1
            if not self.pins[adapter]:
                del self.pins[adapter]

    @property
    def ready(self) -> bool:
        """Whether some tier can answer, and no end is near."""
        return not self.draining and any(each.healthy for each in self.fleet.replicas.values())

    def observe(self, event: Observation) -> None:
        """Tell the brain, and its log."""
        if self.log is not None:
            self.log.write(event)
        self.brain.observe(event)

    def decide(
        self, ask: Ask, *, tiers: tuple[str, ...], excluded: tuple[str, ...] = ()
    ) -> Decision:
        """Ask the brain."""
        hints = ask.hints
        arrived = Arrived(
            time.monotonic(),
            ask.request_id,
            ask.caller.tenant,
            "async" if ask.is_async else "interactive",
            tiers,
            ask.adapter,
            ask.tokens_in,
            ask.max_tokens,
            ask.features,
            hints.slo_ttft_ms,
            hints.max_cost_usd,
            hints.min_quality,
            hints.priority,
            excluded,
            ask.stream,
        )
        started = time.perf_counter()
        decision = self.brain.decide(arrived)
        self.metrics.decision_us.observe((time.perf_counter() - started) * 1e6)
        if self.log is not None:
            self.log.write(arrived)
            self.log.write(decision)
        return decision

    def _leave(self, replica: Replica) -> None:
        """It is down: what waits for its first byte there moves."""
        for watched in self.watch.all():
            if isinstance(watched, Leg) and watched.replica is replica:
                watched.leave()

    def hedge(self, leg: Leg) -> None:
        """Its first byte is late: try another replica beside it, if few are tried so."""
        start_hedge(self, leg)

    def spend(self, price_usd: float) -> None:
        """Book what a request cost on this hour."""
        hour = int(time.time() // 3600)
        if hour != self._hour:
            self._hour, self.spent_this_hour_usd = hour, 0.0
        self.spent_this_hour_usd += price_usd

    def price_usd(self, tier: str, tokens_in: int, tokens_out: int) -> float:
        """What that many tokens of a tier cost."""
        settings = self.config.tiers[tier]  # type: ignore[index]  # a tier's name
        return (tokens_in * settings.price_in + tokens_out * settings.price_out) / 1e6


def open_session(config: ServingConfig) -> aiohttp.ClientSession:
    """The client of all engines: unbounded, kept alive, bytes as they come, no cookies."""
    connect_s = config.router.connect_timeout_ms / 1e3
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
    )
