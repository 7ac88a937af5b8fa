"""All tiers and replicas as the brain knows them."""

from __future__ import annotations

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.routing.endpoint import Endpoint
from goldsmith.serving.routing.events import Adapters, Endpoints, Health, Load, Weight
from goldsmith.serving.routing.quality import EASE_SHRINK, first_slopes
from goldsmith.serving.routing.tier import Tier
from goldsmith.serving.routing.weights import Weights

UNRESOLVED = "dns://"


class Fleet:
    """Tiers by name, replicas by URL; one replica may serve several tiers."""

    def __init__(self, config: ServingConfig) -> None:
        slopes = first_slopes({name: tier.quality for name, tier in config.tiers.items()})
        self.tiers = {
            str(name): Tier(name, settings, config.router, slope=slopes[name])
            for name, settings in config.tiers.items()
        }
        self.models = {str(name): config.model_name(name) for name in config.tiers}
        self.ease = Weights(EASE_SHRINK)
        """How easy a prompt is for any tier."""
        self.endpoints: dict[str, Endpoint] = {}
        for name, settings in config.tiers.items():
            urls = [url for url in settings.endpoints if not url.startswith(UNRESOLVED)]
            self._list(self.tiers[name], urls)

    def in_flight(self, endpoint: str, model: str = "") -> int:
        """Requests that an endpoint has now, of all models or of one engine-side name."""
        state = self.endpoints.get(endpoint)
        if state is None:
            return 0
        return state.models.get(model, 0) if model else state.in_flight

    def resolve(self, event: Endpoints) -> None:
        """A tier has these replicas from now on; those that it loses finish what they have."""
        if tier := self.tiers.get(event.tier):
            self._list(tier, list(event.endpoints))

    def health(self, event: Health) -> None:
        """A replica is fit, or not."""
        if state := self.endpoints.get(event.endpoint):
            state.healthy = event.healthy

    def load(self, event: Load) -> None:
        """An engine's own figures."""
        if state := self.endpoints.get(event.endpoint):
            state.load(event)

    def adapters(self, event: Adapters) -> None:
        """A replica has these adapters ready."""
        state = self.endpoints.get(event.endpoint)
        if state is None:
            return
        state.adapters = frozenset(event.names)
        for tier in self.tiers.values():
            if state in tier.endpoints:
                tier.learn_adapters(event.names)

    def weigh(self, event: Weight) -> None:
        """A replica gets that share of its turns."""
        if state := self.endpoints.get(event.endpoint):
            state.weight = event.weight

    def forget(self, state: Endpoint) -> None:
        """Drop a replica that no tier lists and that has nothing left to do."""
        if not state.listed and not state.in_flight:
            self.endpoints.pop(state.url, None)

    def _list(self, tier: Tier, urls: list[str]) -> None:
        before = tier.endpoints
        tier.endpoints = [self._endpoint(url, tier) for url in sorted(set(urls))]
        for state in tier.endpoints:
            state.listed += 1
        for state in before:
            state.listed -= 1
            self.forget(state)

    def _endpoint(self, url: str, tier: Tier) -> Endpoint:
        if url not in self.endpoints:
            self.endpoints[url] = Endpoint(url, tier.service)
        return self.endpoints[url]
