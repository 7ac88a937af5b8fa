"""The adapter controller: makes engines and routers agree with the aliases in the store.

Each tier is looked after on its own (tier.py). At rest it watches the aliases and the routers, and
looks at every engine each `adapters.reconcile_s`. It keeps nothing that it could not find out
again, so it may be killed at any time; only one may run.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import aiohttp
from aiohttp import web

from goldsmith.config.serving import ServingConfig
from goldsmith.errors import ConfigError
from goldsmith.serving.adapters.agent import serve_app
from goldsmith.serving.adapters.catalogue import Catalogue
from goldsmith.serving.adapters.hosts import Agents, Host, SharedFolder
from goldsmith.serving.adapters.shelf import Shelf
from goldsmith.serving.adapters.tier import TierController
from goldsmith.serving.engines import ENGINES
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)


class Controller:
    """The adapters of every tier that has some."""

    def __init__(
        self,
        config: ServingConfig,
        store: ObjectStore,
        *,
        host: Host,
        session: aiohttp.ClientSession,
    ) -> None:
        self.tiers = [
            TierController(
                tier,
                config,
                catalogue=Catalogue(store, tier, names),
                host=host,
                session=session,
            )
            for tier, names in config.adapters.names.items()
            if names
        ]

    async def run(self, stopped: asyncio.Event) -> None:
        """Look after them until `stopped`."""
        async with asyncio.TaskGroup() as group:
            for tier in self.tiers:
                group.create_task(tier.run(stopped))

    def app(self) -> web.Application:
        """`GET /health`: what each tier is doing."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({tier.tier: tier.doing for tier in self.tiers})


async def control(
    config: ServingConfig,
    store: ObjectStore,
    *,
    root: Path | None,
    port: int,
    stopped: asyncio.Event,
) -> None:
    """Run the controller, and its health page on `port`, until `stopped`."""
    check_tiers(config)
    async with aiohttp.ClientSession() as session:
        host = _host(config, store, root=root, session=session)
        controller = Controller(config, store, host=host, session=session)
        page = await serve_app(
            controller.app(), host="0.0.0.0" if root is None else "127.0.0.1", port=port
        )
        try:
            await controller.run(stopped)
        finally:
            await page.cleanup()


def check_tiers(config: ServingConfig) -> None:
    """ConfigError if a tier should have adapters and is not there, or cannot."""
    for tier, names in config.adapters.names.items():
        if tier not in config.tiers:
            raise ConfigError(f"adapters.names has tier {tier}", why="tiers has none of that name")
        engine = config.tiers[tier].engine
        if names and "adapters" in ENGINES[engine].lacks:
            raise ConfigError(
                f"tier {tier} cannot have adapters", why=f"{engine} loads none while it runs"
            )


def _host(
    config: ServingConfig,
    store: ObjectStore,
    *,
    root: Path | None,
    session: aiohttp.ClientSession,
) -> Host:
    """Agents where the configuration names their port, else a folder of this machine."""
    if config.adapters.agent_port:
        return Agents(session, port=config.adapters.agent_port)
    if root is None:
        raise ConfigError(
            "nobody brings adapters to the engines",
            fix="set adapters.agent_port, or give --root, the folder that engines load from",
        )
    return SharedFolder(Shelf(root, store))
