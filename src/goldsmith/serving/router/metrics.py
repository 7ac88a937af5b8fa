"""Counters and histograms of the router: plain numbers, put into Prometheus' form when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
Labels = tuple[str, ...]

TTFT_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
OVERHEAD_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1)
DECISION_US = (10.0, 20.0, 50.0, 100.0, 150.0, 300.0, 1000.0, 10_000.0)


class Histogram:
    """Counts by upper bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        rows, seen = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            rows.append(("+Inf" if bound == float("inf") else str(bound), float(seen)))
        return rows


class Metrics:
    """What happened since the start."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        """By tier and status."""
        self.tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By tier and direction."""
        self.cost_usd: defaultdict[str, float] = defaultdict(float)
        self.sheds: defaultdict[str, int] = defaultdict(int)
        """By code of the refusal."""
        self.reasons: defaultdict[str, int] = defaultdict(int)
        self.retries = self.hedges = self.gone = self.slo_missed = 0
        self.ttft: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(TTFT_S))
        self.overhead = Histogram(OVERHEAD_S)
        self.decision_us = Histogram(DECISION_US)


class RouterCollector(Collector):
    """Reads a router's state for each scrape."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        metrics = self._core.metrics
        requests = (((tier, str(code)), n) for (tier, code), n in metrics.requests.items())
        yield _counter("requests", "Requests by tier and status.", ("tier", "status"), requests)
        yield _counter("tokens", "Tokens.", ("tier", "direction"), metrics.tokens.items())
        yield _counter("cost_usd", "Price of all answers.", ("tier",), _one(metrics.cost_usd))
        yield _counter("sheds", "Requests turned down.", ("code",), _one(metrics.sheds))
        yield _counter("decisions", "Decisions by reason.", ("reason",), _one(metrics.reasons))
        yield _counter("retries", "Requests sent again elsewhere.", (), [((), metrics.retries)])
        yield _counter("hedges", "Requests sent twice.", (), [((), metrics.hedges)])
        yield _counter("clients_gone", "Clients that left early.", (), [((), metrics.gone)])
        yield _counter("slo_missed", "First bytes past the SLO.", (), [((), metrics.slo_missed)])
        yield from self._histograms()
        yield from self._gauges()

    def _histograms(self) -> Iterator[Metric]:
        metrics = self._core.metrics
        ttft = HistogramMetricFamily(
            "goldsmith_router_ttft_seconds", "Time to the first byte.", labels=("tier",)
        )
        for tier, histogram in metrics.ttft.items():
            ttft.add_metric((tier,), histogram.buckets(), histogram.total)
        yield ttft
        for name, text, histogram in (
            ("overhead_seconds", "The router's own time per request.", metrics.overhead),
            ("decision_us", "Time of a decision.", metrics.decision_us),
        ):
            family = HistogramMetricFamily(f"goldsmith_router_{name}", text)
            family.add_metric((), histogram.buckets(), histogram.total)
            yield family

    def _gauges(self) -> Iterator[Metric]:
        core = self._core
        yield _gauge("waiting", "Requests that wait for a slot.", len(core.admission.waiters))
        in_flight = GaugeMetricFamily(
            "goldsmith_router_in_flight", "Requests on their way.", labels=("tier", "endpoint")
        )
        healthy = GaugeMetricFamily(
            "goldsmith_router_endpoint_healthy", "1 if well.", labels=("tier", "endpoint")
        )
        for replica in core.fleet.replicas.values():
            in_flight.add_metric((replica.tier, replica.url), replica.in_flight)
            healthy.add_metric((replica.tier, replica.url), float(replica.healthy))
        yield from (in_flight, healthy)
        yield _gauge("ready", "1 if requests are taken.", float(core.ready))
        if core.sender:
            yield _gauge("traces_shed", "Traces given up.", core.sender.shed_total)
            yield _gauge("traces_pending", "Traces not yet durable.", core.sender.pending)


def render(core: Core) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(RouterCollector(core))
    return generate_latest(registry)


def _one(values: dict[str, int] | dict[str, float]) -> Iterator[tuple[Labels, float]]:
    return (((name,), value) for name, value in values.items())


def _counter(
    name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"goldsmith_router_{name}", text, labels=labels)
    for found, value in values:
        family.add_metric(found, value)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"goldsmith_router_{name}", text, value=value)
