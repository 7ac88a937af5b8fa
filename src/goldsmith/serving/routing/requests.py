"""The requests that the brain has placed: what became of them, and what that teaches."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from goldsmith.serving.routing.duals import Budget, MissPrice
from goldsmith.serving.routing.endpoint import Endpoint, Estimate, Send
from goldsmith.serving.routing.events import Arrived, Ended, FirstByte, Judged, Sent
from goldsmith.serving.routing.features import buckets
from goldsmith.serving.routing.fleet import Fleet
from goldsmith.serving.routing.tier import Tier

OPEN_MOST = 16384
"""Placed requests that are remembered; those never sent go first."""
ENDED_MOST = 4096
"""Ended requests that a verdict or a retry still finds."""
QUEUE_SHARE = 0.2
"""Of the predicted time: with a longer wait for a slot a request says little of prefill."""


@dataclass(slots=True)
class Placed:
    """One request from its decision on."""

    tier: Tier
    model: str
    arrived_at: float
    slo_ms: float
    """0: none, or it was known to be missed, which no price changes."""
    tokens_in: int
    answer_tokens: float
    features: tuple[int, ...]
    endpoint: str
    estimate: Estimate
    stream: bool
    price_usd: float
    budgeted: bool
    """The router chose its tier, so budget and SLO have a price; not so for an explicit tier."""
    reserved_usd: float = 0.0
    """Taken from the budget and not settled yet."""
    answering: bool = False
    sends: dict[str, Send] = field(default_factory=dict)


class Requests:
    """Open and lately ended requests, and the learning from their events."""

    def __init__(self, fleet: Fleet, budget: Budget, miss_price: MissPrice) -> None:
        self.fleet, self.budget, self.miss_price = fleet, budget, miss_price
        self._open: dict[str, Placed] = {}
        self._ended: OrderedDict[str, Placed] = OrderedDict()

    def earlier(self, request_id: str) -> Placed | None:
        """The request's earlier placement, if this is a retry; its money is given back."""
        placed = self._open.get(request_id) or self._ended.get(request_id)
        if placed is not None and placed.reserved_usd:
            self.budget.spend(-placed.reserved_usd)
            placed.reserved_usd = 0.0
        return placed

    def place(self, arrived: Arrived, placed: Placed, earlier: Placed | None) -> None:
        """A decision was made; the money that it reserves is spent."""
        if earlier is not None:
            placed.arrived_at = min(placed.arrived_at, earlier.arrived_at)
            placed.sends = earlier.sends
            placed.budgeted |= earlier.budgeted  # a hedge names its tier
            self._ended.pop(arrived.request_id, None)
        if placed.budgeted:
            placed.reserved_usd = placed.price_usd
            self.budget.spend(placed.reserved_usd)
        self._open[arrived.request_id] = placed
        if len(self._open) > OPEN_MOST:
            self._drop_oldest()

    def sent(self, event: Sent) -> None:
        """Count it in at the endpoint."""
        placed = self._open.get(event.request_id)
        state = self.fleet.endpoints.get(event.endpoint)
        if placed is None or state is None or event.endpoint in placed.sends:
            return
        estimate = placed.estimate
        if event.endpoint != placed.endpoint:
            estimate = state.estimate(event.at, placed.tokens_in)
        send = Send(
            event.at,
            placed.tokens_in,
            placed.answer_tokens,
            placed.model,
            estimate,
            placed.stream,
        )
        placed.sends[event.endpoint] = send
        state.send(event.request_id, send)

    def first_byte(self, event: FirstByte) -> None:
        """Learn how fast the tier and the endpoint are, and whether the SLO held."""
        placed = self._open.get(event.request_id)
        send = placed.sends.get(event.endpoint) if placed is not None else None
        if placed is None or send is None or send.first_at is not None:
            return
        state = self.fleet.endpoints[event.endpoint]
        state.first_byte(event.at, event.request_id, send)
        self._learn_speed(event.at, placed.tier, state, send)
        if placed.budgeted and placed.slo_ms > 0.0 and not placed.answering:
            self.miss_price.learn((event.at - placed.arrived_at) * 1e3 > placed.slo_ms)
        placed.answering = True

    def ended(self, event: Ended) -> None:
        """Count it out; settle the money when nothing of it is left anywhere."""
        placed = self._open.get(event.request_id)
        send = placed.sends.pop(event.endpoint, None) if placed is not None else None
        if placed is None or send is None:
            return
        state = self.fleet.endpoints[event.endpoint]
        state.end(event.at, event.request_id, send)
        if not state.listed:
            self.fleet.forget(state)
        if event.ok:
            self._learn_answer(event, placed, send)
        elif send.first_at is None and event.at - send.at > send.estimate.seconds:
            state.learn_pace(event.at, event.at - send.at, send.estimate)
        if placed.budgeted:
            self._settle(event, placed)
        if not placed.sends:
            self._close(event.request_id, placed)

    def judged(self, event: Judged) -> None:
        """Learn the tier's quality; a verdict on a forgotten request is lost."""
        placed = self._ended.get(event.request_id) or self._open.get(event.request_id)
        if placed is not None:
            places = buckets(placed.features, placed.tokens_in)
            quality = min(1.0, max(0.0, event.quality))
            placed.tier.quality.learn(places, quality, self.fleet.ease)

    def _learn_speed(self, at: float, tier: Tier, state: Endpoint, send: Send) -> None:
        seconds, estimate = max(0.0, at - send.at), send.estimate
        tier.service.learn_factor(seconds, estimate.seconds)
        pace = state.learn_pace(at, seconds, estimate)
        if estimate.queue_s <= QUEUE_SHARE * estimate.seconds:
            tier.service.learn_prefill(estimate.tokens, seconds / pace, estimate.seconds / pace)

    def _learn_answer(self, event: Ended, placed: Placed, send: Send) -> None:
        service = placed.tier.service
        service.learn_answer(placed.tokens_in, event.tokens_out)
        if send.first_at is not None:
            service.learn_decoding(event.tokens_out - 1, event.at - send.first_at)

    def _settle(self, event: Ended, placed: Placed) -> None:
        """What it cost instead of what was reserved; a hedge that ends first keeps the rest."""
        tier = placed.tier
        usd = event.tokens_in * tier.usd_in + event.tokens_out * tier.usd_out
        left = placed.reserved_usd if not placed.sends else 0.0
        placed.reserved_usd -= left
        self.budget.spend(usd - left)

    def _close(self, request_id: str, placed: Placed) -> None:
        del self._open[request_id]
        self._ended[request_id] = placed
        if len(self._ended) > ENDED_MOST:
            self._ended.popitem(last=False)

    def _drop_oldest(self) -> None:
        """Forget the oldest if it was never sent; else look at the next one next time."""
        oldest = next(iter(self._open))
        placed = self._open.pop(oldest)
        if placed.sends:
            self._open[oldest] = placed
        elif placed.reserved_usd:
            self.budget.spend(-placed.reserved_usd)
