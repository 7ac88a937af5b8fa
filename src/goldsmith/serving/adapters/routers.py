"""The routers' admin interface, as the adapter controller uses it, and what their state means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from goldsmith.config.serving import ServingConfig
from goldsmith.errors import GoldsmithError
from goldsmith.serving.adapters.observed import Router

_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


class RouterError(GoldsmithError, ConnectionError):
    """A router's admin interface is down, refuses or answers rubbish."""


class RouterAdmin:
    """One router; what it is told of a replica that it does not know is no error."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url.rstrip("/"), session

    async def state(self, tier: str) -> Router:
        """What it says of a tier."""
        document = await self._ask("GET", "/admin/state")
        try:
            return read_state(document, tier=tier, url=self.url)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            why = f"its state is not understood ({type(error).__name__}: {error})"
            raise RouterError(f"router {self.url}", why=why) from error

    async def set_weight(self, endpoint: str, weight: float) -> None:
        """Give a replica its share of requests, or none."""
        body = {"endpoint": endpoint, "weight": weight}
        await self._ask("PUT", "/admin/weights", body, fine=(404,))

    async def announce(self, endpoint: str, names: Sequence[str]) -> None:
        """Say which adapters a replica can answer with."""
        body = {"endpoint": endpoint, "names": list(names)}
        await self._ask("PUT", "/admin/ready", body, fine=(404,))

    async def flip(self, tier: str, adapter: str, *, name: str, epoch: int) -> None:
        """Make an adapter mean a version; a router that knows a higher epoch keeps that."""
        body = {"tier": tier, "adapter": adapter, "name": name, "epoch": epoch}
        await self._ask("PUT", "/admin/adapters", body, fine=(409,))

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        fine: tuple[int, ...] = (),
    ) -> Any:
        url = self.url + path
        try:
            async with self._session.request(method, url, json=body, timeout=_TIMEOUT) as response:
                if not response.ok and response.status not in fine:
                    text = (await response.text())[:200]
                    raise RouterError(f"router {url}", why=f"HTTP {response.status} {text}")
                return await response.json(content_type=None)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise RouterError(f"router {url}", why=str(error) or type(error).__name__) from error


def read_state(document: Mapping[str, Any], *, tier: str, url: str) -> Router:
    """What a router's `/admin/state` says of one tier."""
    endpoints = document["endpoints"].get(tier, ())
    prefix = f"{tier}/"
    return Router(
        url=url,
        weights={each: float(document["weights"].get(each, 1.0)) for each in endpoints},
        announced={each: frozenset(document["ready"].get(each, ())) for each in endpoints},
        aliases={
            key.removeprefix(prefix): (str(alias["name"]), int(alias["epoch"]))
            for key, alias in document["adapters"].items()
            if key.startswith(prefix)
        },
        in_flight={
            (endpoint, model): int(count)
            for endpoint in endpoints
            for model, count in document["in_flight"].get(endpoint, {}).items()
            if count
        },
        healthy=frozenset(each for each in endpoints if document["healthy"].get(each)),
        pinned={model: int(count) for model, count in document["pinned"].items() if count},
    )


def router_urls(config: ServingConfig) -> tuple[str, ...]:
    """The admin URLs of a configuration."""
    host = config.router.host if config.router.host != "0.0.0.0" else "127.0.0.1"
    return config.adapters.routers or (f"http://{host}:{config.router.admin_port}",)
