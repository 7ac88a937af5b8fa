"""One replica of a tier as the router sees it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from yarl import URL

from goldsmith.serving.engines import Engine, LoadFigures
from goldsmith.serving.router.admission import Gate
from goldsmith.serving.router.aliases import VERSION
from goldsmith.serving.router.breakers import Breaker

CHAT_PATH, COMPLETION_PATH = "/v1/chat/completions", "/v1/completions"


@dataclass(slots=True, eq=False)
class Replica:
    """Its state: what probes and breaker say, what it has loaded, what is on its way there."""

    url: str
    tier: str
    base_model: str
    engine: Engine
    gate: Gate
    urls: dict[str, URL] = field(init=False)
    breaker: Breaker = field(default_factory=Breaker)
    answers: bool = False
    """The last probe."""
    timeouts: int = 0
    """Probes in a row that got no answer in time."""
    healthy: bool = False
    """What the brain was told."""
    weight: float = 1.0
    models: tuple[str, ...] = ()
    models_at: float = -math.inf
    """When it was asked for them."""
    verified: set[str] | None = None
    """Adapters that the controller vouches for; None: it said nothing yet."""
    verified_at: float = 0.0
    ready: tuple[str, ...] = ()
    """Adapters that requests may use."""
    version: str = ""
    """Of the base model, where the engine tells."""
    in_flight: int = 0
    by_model: dict[str, int] = field(default_factory=dict)
    byte_at: float = 0.0
    """When it sent something last."""
    load: LoadFigures | None = None

    def __post_init__(self) -> None:
        self.urls = {path: URL(self.url + path) for path in (CHAT_PATH, COMPLETION_PATH)}
        self.version = self.base_model

    def begin(self, model: str) -> None:
        """A request is on its way."""
        self.in_flight += 1
        self.by_model[model] = self.by_model.get(model, 0) + 1

    def end(self, model: str) -> None:
        """It is done."""
        self.in_flight -= 1
        left = self.by_model[model] - 1
        if left:
            self.by_model[model] = left
        else:
            del self.by_model[model]

    def listed(self, models: tuple[str, ...], *, asked_at: float) -> None:
        """What /v1/models said to a question of `asked_at`."""
        self.models, self.models_at = models, asked_at
        others = [name for name in models if not VERSION.fullmatch(name)]
        versions = [name for name in others if name != self.base_model]
        self.version = versions[0] if versions else self.base_model
        if asked_at < self.verified_at:
            return  # it may be older than what the controller just did
        loaded = [name for name in models if VERSION.fullmatch(name)]
        if self.verified is None:
            self.ready = tuple(loaded)
            return
        self.verified.intersection_update(loaded)
        self.ready = tuple(sorted(self.verified))

    def vouch(self, names: list[str]) -> None:
        """The controller loaded and checked these, and no others."""
        self.verified, self.verified_at = set(names), time.monotonic()
        self.ready = tuple(sorted(names))

    def lost(self, name: str) -> None:
        """The engine said that it has no such adapter."""
        self.ready = tuple(each for each in self.ready if each != name)
        if self.verified is not None:
            self.verified.discard(name)
