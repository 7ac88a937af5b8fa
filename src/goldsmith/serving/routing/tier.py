"""One tier seen for one request: its best replica, p99, price and quality, and what it misses."""

from __future__ import annotations

from goldsmith.config.serving import RouterSettings, TierSettings
from goldsmith.serving.routing.decision import Assessment
from goldsmith.serving.routing.duals import miss_share
from goldsmith.serving.routing.endpoint import Endpoint, Estimate
from goldsmith.serving.routing.events import Arrived
from goldsmith.serving.routing.quality import QualityModel
from goldsmith.serving.routing.service import Service
from goldsmith.serving.routing.weights import Reading

MARGIN = 0.95
"""Of the SLO: the predicted p99 stays below it."""
HARD = frozenset(
    ("overloaded", "no_healthy_endpoint", "max_cost", "context_exceeded", "unknown_adapter")
)
"""Conditions that no degradation waives."""
SLO, SLO_QUALITY, QUALITY = ("slo",), ("slo", "quality"), ("quality",)
OVERLOADED, MAX_COST = ("overloaded",), ("max_cost",)
QUEUE, QUEUE_QUALITY = ("slo", "queue"), ("slo", "queue", "quality")
ADAPTERS_KEPT = 1024

Seen = tuple[Assessment, Endpoint | None, Estimate | None]
"""An assessment, and the replica and estimate behind it."""


class Tier:
    """A tier: its replicas, its measured speed and its learned quality."""

    def __init__(
        self, name: str, settings: TierSettings, router: RouterSettings, *, slope: float
    ) -> None:
        self.name, self.settings = name, settings
        self.service = Service(settings)
        self.quality = QualityModel(settings.quality, slope)
        self.endpoints: list[Endpoint] = []
        """By name."""
        self.usd_in, self.usd_out = settings.price_in / 1e6, settings.price_out / 1e6
        self._floor, self._slo_ms = router.min_quality, settings.slo_ttft_ms
        self._context = settings.context
        self._patience_ms = router.first_byte_timeout_ms
        self._adapters: dict[str, None] = {}

    def learn_adapters(self, names: tuple[str, ...]) -> None:
        """Adapters that some replica has: one that later has none of them is away, not unknown."""
        self._adapters |= dict.fromkeys(names)
        while len(self._adapters) > ADAPTERS_KEPT:
            del self._adapters[next(iter(self._adapters))]

    def assess(
        self,
        arrived: Arrived,
        places: list[int],
        ease: Reading,
        *,
        explicit: bool,
        budget_price: float = 0.0,
        miss_usd: float = 0.0,
    ) -> Seen:
        """The tier for a request, with the prices of budget and SLO."""
        if arrived.tokens_in + max(1, arrived.max_tokens) > self._context:
            return self._unable("context_exceeded"), None, None
        endpoint, estimate = self.best_endpoint(arrived)
        if endpoint is None or estimate is None:
            return self._unable(self._why_none(arrived.adapter)), None, None
        slo_ms, floor = self._demands(arrived, explicit=explicit)
        p99_ms = estimate.seconds * self.service.factor * 1e3
        lower, upper = self.quality.bounds(places, ease)
        price = self.price_usd(arrived)
        assessment = Assessment(
            self.name,
            endpoint.url,
            self._refuses(arrived, estimate) or _misses(estimate, p99_ms, slo_ms, lower < floor),
            p99_ms,
            slo_ms,
            price,
            lower,
            upper,
            floor,
            price * (1.0 + budget_price) + miss_usd * miss_share(p99_ms, slo_ms),
        )
        return assessment, endpoint, estimate

    def best_endpoint(self, arrived: Arrived) -> tuple[Endpoint | None, Estimate | None]:
        """The replica with the least predicted wait by weight; the first by name of equals."""
        best, best_estimate, least = None, None, 0.0
        adapter, excluded = arrived.adapter, arrived.excluded
        for endpoint in self.endpoints:
            if not endpoint.healthy or endpoint.weight <= 0.0:
                continue
            if (adapter and adapter not in endpoint.adapters) or endpoint.url in excluded:
                continue
            estimate = endpoint.estimate(arrived.at, arrived.tokens_in)
            wait = estimate.seconds / endpoint.weight
            if best is None or wait < least:
                best, best_estimate, least = endpoint, estimate, wait
        return best, best_estimate

    def price_usd(self, arrived: Arrived) -> float:
        """Expected price of a request."""
        length = self.service.answer_length(arrived.tokens_in, arrived.max_tokens)
        return arrived.tokens_in * self.usd_in + length * self.usd_out

    def _demands(self, arrived: Arrived, *, explicit: bool) -> tuple[float, float]:
        """SLO and quality floor: the request's own, else the configuration's."""
        slo_ms, floor = arrived.slo_ttft_ms, arrived.min_quality
        if slo_ms is None:
            slo_ms = self._slo_ms if arrived.klass == "interactive" else 0.0
        if floor is None:
            floor = 0.0 if explicit else self._floor
        return slo_ms, floor

    def _refuses(self, arrived: Arrived, estimate: Estimate) -> tuple[str, ...]:
        """Why the tier cannot take a request that one of its replicas could."""
        if arrived.klass == "interactive" and estimate.seconds * 1e3 > self._patience_ms:
            return OVERLOADED
        most = arrived.max_cost_usd
        return MAX_COST if most is not None and self._most_usd(arrived) > most else ()

    def _most_usd(self, arrived: Arrived) -> float:
        """Price of the longest answer that it may get."""
        room = self._context - arrived.tokens_in
        longest = min(arrived.max_tokens, room) if arrived.max_tokens > 0 else room
        return arrived.tokens_in * self.usd_in + longest * self.usd_out

    def _why_none(self, adapter: str) -> str:
        known = not adapter or adapter in self._adapters
        return "no_healthy_endpoint" if known else "unknown_adapter"

    def _unable(self, why: str) -> Assessment:
        return Assessment(self.name, "", (why,), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def _misses(estimate: Estimate, p99_ms: float, slo_ms: float, below_floor: bool) -> tuple[str, ...]:
    """Soft conditions that are not met."""
    if slo_ms > 0.0 and p99_ms > slo_ms * MARGIN:
        if estimate.queue_s * 1e3 > slo_ms:
            return QUEUE_QUALITY if below_floor else QUEUE
        return SLO_QUALITY if below_floor else SLO
    return QUALITY if below_floor else ()
