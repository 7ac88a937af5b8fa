"""What the adapter controller sees of one tier: the aliases, the engines and the routers.

Everything is as others report it, so that a restarted controller, router or engine needs no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Wanted:
    """The live version of an adapter, as its alias says."""

    adapter: str
    name: str
    """What engines call it."""
    epoch: int


@dataclass(frozen=True, slots=True)
class Replica:
    """One engine."""

    endpoint: str
    healthy: bool = True
    loaded: frozenset[str] = frozenset()
    """Adapters that it lists, by engine-side name."""
    verified: frozenset[str] = frozenset()
    """Those of `loaded` whose answer to the golden prompt was right since they were loaded."""
    fetched: frozenset[str] = frozenset()
    """Adapters whose files it can read."""
    blocked: frozenset[str] = frozenset()
    """Adapters that failed here a moment ago and are left alone for a while."""
    loads: int = 0
    """Since its process started."""


@dataclass(frozen=True, slots=True)
class Router:
    """What one router reports; an endpoint that it does not know is not in `weights`."""

    url: str
    weights: Mapping[str, float] = field(default_factory=dict)
    announced: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Endpoint to the adapters that it may be asked for."""
    aliases: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Adapter to name and epoch."""
    in_flight: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(endpoint, model name) to requests that were sent there and have not ended."""
    pinned: Mapping[str, int] = field(default_factory=dict)
    """Model name to requests that were resolved to it and have not ended, sent or not."""
    healthy: frozenset[str] = frozenset()
    """Endpoints that it finds well, and sends requests to."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How careful the swap is."""

    spare: int = 0
    """Replicas that may lack a version when the alias flips."""
    max_loaded: int = 8
    """Adapters that one engine holds."""
    recycle_after: int = 0
    """Loads of versions that are gone again, after which an engine is restarted; 0: never."""
    must_drain: bool = True
    """The engine may answer wrongly if it loads while adapters decode."""


@dataclass(frozen=True)
class Observed:
    """One tier at one moment."""

    tier: str
    wanted: tuple[Wanted, ...] = ()
    obtainable: frozenset[str] = frozenset()
    """Names whose files the registry has."""
    replicas: tuple[Replica, ...] = ()
    routers: tuple[Router, ...] = ()
    silent: tuple[str, ...] = ()
    """Routers that do not answer."""
    rules: Rules = field(default_factory=Rules)

    @cached_property
    def routed(self) -> frozenset[str]:
        """Names that some router resolves an adapter to."""
        return frozenset(name for each in self.routers for name, _ in each.aliases.values())

    @cached_property
    def kept(self) -> frozenset[str]:
        """Names that every replica should hold: what is wanted, and what is still routed to."""
        return self.routed | {wanted.name for wanted in self.wanted}

    def knowing(self, endpoint: str) -> Iterator[Router]:
        """The routers that know an endpoint."""
        return (router for router in self.routers if endpoint in router.weights)

    def weighted(self, replica: Replica) -> bool:
        """Whether routers know a replica, and all that do would give it its share of requests."""
        weights = [router.weights[replica.endpoint] for router in self.knowing(replica.endpoint)]
        return min(weights, default=0.0) >= 1

    def in_service(self, replica: Replica) -> bool:
        """Whether a replica gets its share of requests, and routers have seen that it is well."""
        seen_well = (replica.endpoint in r.healthy for r in self.knowing(replica.endpoint))
        return replica.healthy and self.weighted(replica) and all(seen_well)

    def gets_requests(self, replica: Replica) -> bool:
        """Whether some router may still send a request to a replica."""
        knowing = self.knowing(replica.endpoint)
        return any(router.weights[replica.endpoint] > 0 for router in knowing)

    def running(self, endpoint: str, *names: str) -> int:
        """Requests in flight on a replica, all or those for some names."""
        return sum(
            count
            for router in self.routers
            for (at, model), count in router.in_flight.items()
            if at == endpoint and (not names or model in names)
        )

    def busy(self, name: str) -> int:
        """Requests that were resolved to a name and have not ended, anywhere."""
        return sum(max(router.pinned.get(name, 0), _sent(router, name)) for router in self.routers)

    def announced(self, endpoint: str) -> frozenset[str]:
        """Names that some router may ask a replica for."""
        found = (router.announced.get(endpoint, frozenset()) for router in self.routers)
        return frozenset().union(*found)

    def missing(self, replica: Replica) -> list[str]:
        """Names that a replica should hold and can get, but has not loaded."""
        return sorted((self.kept & self.obtainable) - replica.loaded - replica.blocked)

    def surplus(self, replica: Replica) -> list[str]:
        """Names that a replica holds and should not, or that are wrong there."""
        return sorted(replica.loaded - self.kept | replica.loaded & replica.blocked)

    def can_answer(self, replica: Replica) -> frozenset[str]:
        """Names that routers may ask a replica for, by what is seen of it.

        A version that went out of use stays announced until its last request has ended.
        """
        right = replica.verified | self.announced(replica.endpoint)
        names = (replica.loaded & right) - replica.blocked
        return frozenset(name for name in names if name in self.kept or self.busy(name))


def _sent(router: Router, name: str) -> int:
    return sum(count for (_, model), count in router.in_flight.items() if model == name)
