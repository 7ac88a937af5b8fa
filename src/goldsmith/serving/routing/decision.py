"""What the routing brain answers: the tier, the endpoint, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Assessment:
    """One tier, seen for one request."""

    tier: str
    endpoint: str
    """Its best replica; empty: none can take the request."""
    misses: tuple[str, ...]
    """Conditions that it does not meet; none: feasible."""
    predicted_ttft_ms: float
    """p99 of the time to first token."""
    slo_ttft_ms: float
    """What is demanded of it; 0: nothing."""
    price_usd: float
    """Expected."""
    quality: float
    """Lower bound."""
    quality_upper: float
    floor: float
    """Quality that is demanded."""
    cost: float
    """Price with the duals: what is minimised."""


@dataclass(slots=True)
class Decision:
    """Where a request goes; an empty tier: nowhere, and `reason` says why."""

    request_id: str
    tier: str
    endpoint: str
    reason: str
    """`explicit cheapest exploration budget degraded_slo degraded_quality degraded_both`, or a
    refusal: `overloaded no_healthy_endpoint budget max_cost context_exceeded unknown_adapter
    unknown_tier`."""
    predicted_ttft_ms: float
    price_usd: float
    quality: float
    degraded: bool
    """Some condition is not met; `reason` and the assessments say which."""
    retry_after_s: float
    """0: coming back does not help, or is not needed."""
    assessments: tuple[Assessment, ...]
