"""What the routing brain is told: one record an event, `at` in seconds of one clock.

`decide` takes an `Arrived`, `observe` takes the rest. The same events in the same order give the
same decisions bit for bit, so a log of them can be replayed. Nothing writes to a record once it is
made; they are not frozen, since making the frozen ones of a request takes a tenth of a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Klass = Literal["interactive", "async"]


@dataclass(slots=True)
class Arrived:
    """A request that needs a tier and an endpoint; sent again, with `excluded`, for a retry."""

    at: float
    request_id: str
    tenant: str
    klass: Klass
    tiers: tuple[str, ...]
    """One: an explicit tier. Several: these only. None: all of the configuration (`auto`)."""
    adapter: str
    """Engine-side name; empty: the base model."""
    tokens_in: int
    max_tokens: int
    text_features: tuple[int, ...] = ()
    """Hashed n-grams of the prompt (features.py)."""
    slo_ttft_ms: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    priority: int = 0
    """Who waits and who is turned away first is the router's affair: it changes no decision."""
    excluded: tuple[str, ...] = ()
    """Endpoints that were tried already."""
    stream: bool = True
    """False: the first byte is the whole answer, so it teaches nothing about first tokens."""


@dataclass(slots=True)
class Sent:
    """The request, or a hedge of it, goes out to an endpoint."""

    at: float
    request_id: str
    endpoint: str


@dataclass(slots=True)
class FirstByte:
    """The endpoint's answer begins."""

    at: float
    request_id: str
    endpoint: str


@dataclass(slots=True)
class Ended:
    """The endpoint is done with the request: answered, failed or cancelled."""

    at: float
    request_id: str
    endpoint: str
    tokens_out: int
    tokens_in: int
    ok: bool
    status: int


@dataclass(slots=True)
class Judged:
    """A verifier's verdict on the answer, 0 to 1."""

    at: float
    request_id: str
    quality: float


@dataclass(slots=True)
class Health:
    """A probe, a breaker or an ejection changed its mind; an endpoint is healthy until then."""

    at: float
    endpoint: str
    healthy: bool


@dataclass(slots=True)
class Load:
    """What the engine says of itself."""

    at: float
    endpoint: str
    running: int
    waiting: int
    kv_use: float
    """Share of its KV cache, 0 to 1."""


@dataclass(slots=True)
class Endpoints:
    """All endpoints of a tier from now on; those of the configuration before the first one."""

    at: float
    tier: str
    endpoints: tuple[str, ...]


@dataclass(slots=True)
class Adapters:
    """Adapters that are loaded and verified on an endpoint."""

    at: float
    endpoint: str
    names: tuple[str, ...]


@dataclass(slots=True)
class Weight:
    """Share of its turns that an endpoint gets: 1 all, 0 none."""

    at: float
    endpoint: str
    weight: float


Observation = Sent | FirstByte | Ended | Judged | Health | Load | Endpoints | Adapters | Weight
Event = Arrived | Observation
