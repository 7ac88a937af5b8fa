"""The agent in a replica's pod: fetches adapters for the engine beside it, and has it restarted.

    POST /fetch {"tier", "version", "name"}   brings verified files; {"path"} is where they are
    POST /forget {"name"}                     removes them
    POST /recycle                             /alive says 503 until the engine has ended once
    GET  /alive                               liveness probe of the engine's container
    GET  /health                              of the agent itself

It takes no path and no URL: a name, and what the registry has under it. Only the adapter controller
may reach it (NetworkPolicy).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
from aiohttp import web

from goldsmith.errors import GoldsmithError
from goldsmith.serving.adapters.shelf import Shelf

log = logging.getLogger(__name__)

_FETCH_FIELDS = ("tier", "version", "name")
_PROBE_S = 3.0
_LARGEST_BODY = 16 << 10


class Agent:
    """The routes of one pod."""

    def __init__(self, shelf: Shelf, *, engine: str) -> None:
        self._shelf, self._engine = shelf, engine.rstrip("/")
        self._one_at_a_time = asyncio.Lock()
        self._recycling = False

    def app(self) -> web.Application:
        """What a server runs."""
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_tell_errors])
        app.router.add_post("/fetch", self.fetch)
        app.router.add_post("/forget", self.forget)
        app.router.add_post("/recycle", self.recycle)
        app.router.add_get("/alive", self.alive)
        app.router.add_get("/health", self.health)
        return app

    async def fetch(self, request: web.Request) -> web.Response:
        """Bring an adapter's files here."""
        fields = await _fields(request, _FETCH_FIELDS)
        async with self._one_at_a_time:
            path = await asyncio.to_thread(self._shelf.fetch, **fields)
        return web.json_response({"path": str(path)})

    async def forget(self, request: web.Request) -> web.Response:
        """Remove an adapter's files."""
        fields = await _fields(request, ("name",))
        async with self._one_at_a_time:
            await asyncio.to_thread(self._shelf.forget, fields["name"])
        return web.json_response({})

    async def recycle(self, request: web.Request) -> web.Response:
        """Let the liveness probe fail until the engine has ended."""
        log.info("Recycling the engine at %s", self._engine)
        self._recycling = True
        return web.json_response({})

    async def alive(self, request: web.Request) -> web.Response:
        """Whether the engine's container may go on: it answers, and nobody asked to recycle it."""
        answers = await self._engine_answers()
        if self._recycling and not answers:
            self._recycling = False
        status = 200 if answers and not self._recycling else 503
        return web.json_response({"engine": answers, "recycling": self._recycling}, status=status)

    async def health(self, request: web.Request) -> web.Response:
        """Whether the agent answers, and what it has fetched."""
        return web.json_response({"adapters": await asyncio.to_thread(self._shelf.names)})

    async def _engine_answers(self) -> bool:
        timeout = aiohttp.ClientTimeout(total=_PROBE_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self._engine}/health") as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


@web.middleware
async def _tell_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """What went wrong as JSON, in words that the controller logs."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except web.HTTPException as error:
        return web.json_response({"error": error.text or error.reason}, status=error.status)
    except (GoldsmithError, OSError) as error:
        log.warning("%s failed: %s", request.path, error)
        return web.json_response({"error": str(error)}, status=409)


async def _fields(request: web.Request, names: tuple[str, ...]) -> dict[str, str]:
    """The string fields of the body, exactly these."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or set(body) != set(names):
        raise web.HTTPBadRequest(text=f"the body must have the fields {', '.join(names)}")
    if not all(isinstance(value, str) for value in body.values()):
        raise web.HTTPBadRequest(text="every field must be a string")
    return body


async def serve_app(app: web.Application, *, host: str, port: int) -> web.AppRunner:
    """Listen; `cleanup()` of the runner ends it."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
