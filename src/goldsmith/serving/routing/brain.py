"""The routing rule: what is feasible, then what costs least with the prices of budget and SLO.

    1. a tier is feasible that has a healthy replica with the adapter, whose context fits, whose
       predicted p99 of the first token is below the SLO and whose quality's lower bound is at the
       floor
    2. among these the least of  price * (1 + budget price) + miss price * P(first token late)
    3. none: the declared degradation, said in the decision, or a refusal with a time to come back

A small share of `auto` requests explores another tier that could do. An explicit tier is assessed
alone. Everything is computed from the events with + - * / and sqrt, so a log of them replays to
the same decisions bit for bit on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.routing.choice import choose, degradation, explorable, possible
from goldsmith.serving.routing.decision import Assessment, Decision
from goldsmith.serving.routing.duals import Budget, MissPrice
from goldsmith.serving.routing.endpoint import Endpoint, Estimate
from goldsmith.serving.routing.events import (
    Adapters,
    Arrived,
    Ended,
    Endpoints,
    FirstByte,
    Health,
    Judged,
    Load,
    Observation,
    Sent,
    Weight,
)
from goldsmith.serving.routing.features import buckets
from goldsmith.serving.routing.fleet import Fleet
from goldsmith.serving.routing.requests import Placed, Requests
from goldsmith.serving.routing.tier import Seen, Tier

PROBE_S = 1.0
"""Time between health probes: when to come back where nothing is healthy."""
RETRY_LEAST_S = 1.0
EXPLORED = ("cheapest", "degraded_quality")
"""Choices that another tier may take the place of."""
TRIES, BOLD = 8.0, 0.5
"""Of the share of exploration: requests that may explore where success is likely, and where it is
only possible. The share bounds both together."""


class Brain:
    """Decides where requests go, from what it was told before; no clock, no input or output."""

    def __init__(self, config: ServingConfig) -> None:
        self.config = config
        self.budget = Budget(config.router.budget_usd_per_hour)
        self.miss_price = MissPrice()
        self.fleet = Fleet(config)
        self._requests = Requests(self.fleet, self.budget, self.miss_price)
        self._order = tuple(str(tier) for tier in config.router.order)
        self._share = config.router.exploration
        self._seed = crc32(str(config.router.seed).encode())
        self._placed_auto = self._explored = 0
        self._observers: dict[type, Callable[[Any], None]] = {
            Sent: self._requests.sent,
            FirstByte: self._requests.first_byte,
            Ended: self._requests.ended,
            Judged: self._requests.judged,
            Health: self.fleet.health,
            Load: self.fleet.load,
            Endpoints: self.fleet.resolve,
            Adapters: self.fleet.adapters,
            Weight: self.fleet.weigh,
        }

    def observe(self, event: Observation) -> None:
        """Learn from what happened; what no request or endpoint is known for is ignored."""
        self._observers[type(event)](event)

    def in_flight(self, endpoint: str, model: str = "") -> int:
        """Requests that an endpoint has now, of all models or of one engine-side name."""
        return self.fleet.in_flight(endpoint, model)

    def decide(self, arrived: Arrived) -> Decision:
        """The tier and endpoint of a request."""
        if len(arrived.tiers) == 1:
            return self._decide_explicit(arrived)
        return self._decide_auto(arrived)

    def _decide_explicit(self, arrived: Arrived) -> Decision:
        tier = self.fleet.tiers.get(arrived.tiers[0])
        if tier is None:
            return _refused(arrived, "unknown_tier", (), 0.0)
        # without a floor of its own only the length is looked at: it decides nothing
        features = () if arrived.min_quality is None else arrived.text_features
        places = buckets(features, arrived.tokens_in)
        found, endpoint, estimate = tier.assess(
            arrived, places, self.fleet.ease.read(places), explicit=True
        )
        if endpoint is None or estimate is None or not possible(found):
            return _refused(arrived, found.misses[0], (found,), _retry_after_s((found,)))
        earlier = self._requests.earlier(arrived.request_id)
        self._place(arrived, tier, (found, endpoint, estimate), earlier, budgeted=False)
        reason = degradation(found) if found.misses else "explicit"
        return _decided(arrived, found, reason, (found,))

    def _decide_auto(self, arrived: Arrived) -> Decision:
        names = arrived.tiers or tuple(self.fleet.tiers)
        tiers = [self.fleet.tiers[name] for name in names if name in self.fleet.tiers]
        places = buckets(arrived.text_features, arrived.tokens_in)
        ease = self.fleet.ease.read(places)
        earlier = self._requests.earlier(arrived.request_id)
        budget_price, miss_usd = self.budget.price(arrived.at), self.miss_price.usd()
        seen = [
            tier.assess(
                arrived, places, ease, explicit=False, budget_price=budget_price, miss_usd=miss_usd
            )
            for tier in tiers
        ]
        assessments = tuple(one[0] for one in seen)
        if (wait_s := self.budget.retry_after_s()) > 0.0:
            return _refused(arrived, "budget", assessments, max(RETRY_LEAST_S, wait_s))
        own_floor, own_slo = arrived.min_quality is not None, arrived.slo_ttft_ms is not None
        chosen, reason = choose(
            assessments,
            budget_price=budget_price,
            own_floor=own_floor,
            own_slo=own_slo,
            order=self._order,
        )
        if chosen < 0:
            return _refused(arrived, reason, assessments, _retry_after_s(assessments))
        if earlier is None:
            self._placed_auto += 1
            if reason in EXPLORED:
                other = self._other(arrived.request_id, assessments, chosen, own_floor=own_floor)
                if other is not None:
                    self._explored += 1
                    chosen, reason = other, "exploration"
        self._place(arrived, tiers[chosen], seen[chosen], earlier, budgeted=True)
        return _decided(arrived, assessments[chosen], reason, assessments)

    def _other(
        self,
        request_id: str,
        assessments: tuple[Assessment, ...],
        chosen: int,
        *,
        own_floor: bool,
    ) -> int | None:
        """The tier to explore for this request, drawn by its id, bounded by the share in all."""
        if self._explored >= self._share * self._placed_auto:
            return None
        draw = crc32(request_id.encode(), self._seed) / 4294967296.0
        if draw >= TRIES * self._share:
            return None
        bold = draw < BOLD * self._share
        return explorable(assessments, chosen, own_floor=own_floor, bold=bold)

    def _place(
        self,
        arrived: Arrived,
        tier: Tier,
        seen: Seen,
        earlier: Placed | None,
        *,
        budgeted: bool,
    ) -> None:
        """Remember the request, and take its expected price from the budget."""
        found, endpoint, estimate = seen
        assert isinstance(endpoint, Endpoint)
        assert isinstance(estimate, Estimate)
        placed = Placed(
            tier,
            arrived.adapter or self.fleet.models[tier.name],
            arrived.at,
            0.0 if "slo" in found.misses else found.slo_ttft_ms,
            arrived.tokens_in,
            tier.service.answer_length(arrived.tokens_in, arrived.max_tokens),
            arrived.text_features,
            endpoint.url,
            estimate,
            arrived.stream,
            found.price_usd,
            budgeted,
        )
        self._requests.place(arrived, placed, earlier)
        if budgeted:
            self.miss_price.charged(found.price_usd)


def _decided(
    arrived: Arrived, found: Assessment, reason: str, assessments: tuple[Assessment, ...]
) -> Decision:
    return Decision(
        arrived.request_id,
        found.tier,
        found.endpoint,
        reason,
        found.predicted_ttft_ms,
        found.price_usd,
        found.quality,
        bool(found.misses),
        0.0,
        assessments,
    )


def _refused(
    arrived: Arrived, reason: str, assessments: tuple[Assessment, ...], retry_after_s: float
) -> Decision:
    return Decision(
        arrived.request_id, "", "", reason, 0.0, 0.0, 0.0, False, retry_after_s, assessments
    )


def _retry_after_s(assessments: tuple[Assessment, ...]) -> float:
    """When some tier may take the request again; 0: never, as it stands."""
    waits = [
        max(RETRY_LEAST_S, (found.predicted_ttft_ms - found.slo_ttft_ms) / 1e3)
        if found.misses[0] == "overloaded"
        else PROBE_S
        for found in assessments
        if found.misses[0] in ("overloaded", "no_healthy_endpoint")
    ]
    return min(waits, default=0.0)
