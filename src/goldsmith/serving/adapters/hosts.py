"""Where a replica runs: who brings adapters to its engine, and who restarts it.

On a laptop the engines share a folder with the controller. In a cluster an agent runs in each
replica's pod (agent.py) and is asked over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp

from goldsmith.errors import GoldsmithError
from goldsmith.registry.adapters import AdapterVersion
from goldsmith.serving.adapters.shelf import Shelf

_AGENT_TIMEOUT_S = 600.0


class HostError(GoldsmithError, ConnectionError):
    """A replica's agent is down or refuses."""


class Host(Protocol):
    """The machine or pod of every replica, by endpoint."""

    recycles: bool
    """Whether it can restart an engine."""

    async def fetch(self, endpoint: str, wanted: AdapterVersion) -> str:
        """Bring an adapter's verified files there; the path under which the engine sees them."""

    async def forget(self, endpoint: str, name: str) -> None:
        """Remove them."""

    async def recycle(self, endpoint: str) -> None:
        """Restart the engine; it is back some time after."""


class SharedFolder:
    """Every engine reads one folder of this machine."""

    def __init__(
        self, shelf: Shelf, *, restart: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self._shelf, self._restart = shelf, restart
        self._holders: dict[str, set[str]] = {}
        self.recycles = restart is not None

    async def fetch(self, endpoint: str, wanted: AdapterVersion) -> str:
        """Write it to the folder, once for all engines."""
        path = await asyncio.to_thread(
            self._shelf.fetch, tier=wanted.tier, version=wanted.version, name=wanted.name
        )
        self._holders.setdefault(wanted.name, set()).add(endpoint)
        return str(path)

    async def forget(self, endpoint: str, name: str) -> None:
        """Remove it once the last engine is done with it."""
        holders = self._holders.get(name, set())
        holders.discard(endpoint)
        if not holders:
            self._holders.pop(name, None)
            await asyncio.to_thread(self._shelf.forget, name)

    async def recycle(self, endpoint: str) -> None:
        """Restart the engine by whoever supervises it."""
        if self._restart is None:
            raise HostError(f"{endpoint} is not restarted", why="nobody supervises it")
        await self._restart(endpoint)


class Agents:
    """An agent beside each engine, on another port of the same host."""

    recycles = True

    def __init__(self, session: aiohttp.ClientSession, *, port: int) -> None:
        self._session, self._port = session, port

    async def fetch(self, endpoint: str, wanted: AdapterVersion) -> str:
        """Ask the agent to fetch it."""
        body = {"tier": wanted.tier, "version": wanted.version, "name": wanted.name}
        return str((await self._ask(endpoint, "/fetch", body))["path"])

    async def forget(self, endpoint: str, name: str) -> None:
        """Ask the agent to remove it."""
        await self._ask(endpoint, "/forget", {"name": name})

    async def recycle(self, endpoint: str) -> None:
        """Ask the agent to have the engine restarted."""
        await self._ask(endpoint, "/recycle", {})

    async def _ask(self, endpoint: str, path: str, body: dict[str, str]) -> dict[str, Any]:
        host = urlsplit(endpoint).hostname or ""
        url = f"http://{f'[{host}]' if ':' in host else host}:{self._port}{path}"
        timeout = aiohttp.ClientTimeout(total=_AGENT_TIMEOUT_S, sock_connect=5.0)
        try:
            async with self._session.post(url, json=body, timeout=timeout) as response:
                document: dict[str, Any] = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise HostError(f"agent {url}", why=str(error) or type(error).__name__) from error
        if response.status != 200:
            raise HostError(f"agent {url}", why=str(document.get("error", response.status)))
        return document
