"""What Prometheus is told about the collector."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from goldsmith.serving.traces.collector import Collector
from goldsmith.serving.traces.journal import opened_at

_COUNTERS = {
    "acknowledged": "Traces that are durable.",
    "duplicates": "Traces that were sent again.",
    "refused": "Traces that have no proper form.",
    "busy": "Traces that were sent back for want of room.",
    "sealed": "Traces that lie in the store.",
    "seal_failures": "Times that a segment was not taken by the store.",
}


class _Meters:
    """Reads the collector's counts when it is asked."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        collector, journal = self._collector, self._collector.journal
        for name, text in _COUNTERS.items():
            value = getattr(collector.totals, name)
            yield CounterMetricFamily(f"goldsmith_traces_{name}", text, value=value)
        gauges = {
            "waiting": ("Traces that wait for the disk.", collector.waiting),
            "disk_bytes": ("Bytes of the local log.", journal.disk_bytes),
            "unsealed_segments": ("Segments that wait for the store.", journal.unsealed),
            "oldest_unsealed_s": ("Age of the oldest closed segment.", _oldest_s(collector)),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"goldsmith_traces_{name}", text, value=value)
        found = CounterMetricFamily(
            "goldsmith_traces_scrubbed", "Secrets and personal data replaced.", labels=["kind"]
        )
        for kind, count in sorted(collector.scrubber.counts.copy().items()):
            found.add_metric([kind], count)
        yield found


def exposition(collector: Collector) -> bytes:
    """The text of /metrics."""
    registry = CollectorRegistry()
    registry.register(_Meters(collector))
    return generate_latest(registry)


def _oldest_s(collector: Collector) -> float:
    closed = collector.journal.closed()
    return max(0.0, time.time() - opened_at(closed[0].stem).timestamp()) if closed else 0.0
