"""The router in KServe's terms: as one tier's transformer, or mounted on kserve's own server.

`kserve` is imported only here and only when asked for: it takes 2 s and 126 MB.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from goldsmith.config.load import nearest
from goldsmith.config.serving import ServingConfig, validate_serving
from goldsmith.errors import ConfigError
from goldsmith.serving.router.server import RouterServer

NAME = "goldsmith-router"
"""What kserve's own server lists."""


def as_transformer(
    config: ServingConfig, *, predictor_host: str, model_name: str, http_port: int = 0
) -> ServingConfig:
    """A configuration whose only tier is the predictor that KServe names."""
    found = [tier for tier in config.tiers if tier in model_name.split("-")]
    if len(found) != 1:
        what = f"--model_name {model_name!r} names no tier"
        raise ConfigError(what, fix=nearest(model_name, config.tiers))
    tier = found[0]
    host = predictor_host if "://" in predictor_host else f"http://{predictor_host}"
    values = config.model_dump(mode="json")
    values["tiers"] = {tier: values["tiers"][tier] | {"endpoints": [host]}}
    if http_port:
        values["router"]["port"] = http_port
    return validate_serving(values)


def serve_on_kserve(config: ServingConfig) -> None:
    """Serve on `kserve.model_server.app`; its own routes answer what ours do not."""
    sys.argv = sys.argv[:1]  # kserve reads it when imported, and takes --config for its own
    try:
        kserve = import_module("kserve")
        app = import_module("kserve.model_server").app
    except ImportError as error:
        fix = "pip install kserve, or leave --kserve out: the v2 routes are there without it"
        raise ConfigError("--kserve needs kserve", why=str(error), fix=fix) from None

    class Router(kserve.Model):  # type: ignore[misc, name-defined]  # it ships no types
        """Lets kserve list the router as a model."""

        def load(self) -> bool:
            """Ready at once; /health/ready tells the truth."""
            self.ready = True
            return True

        def stop(self) -> None:
            """At the server's end."""
            mounted.end()

    mounted = _Mounted(config)
    app.router.routes.insert(0, mounted)
    model = Router(NAME)
    model.load()
    port, grace_s = config.router.port, int(config.router.drain_s)
    server = kserve.ModelServer(http_port=port, enable_grpc=False, grace_period=grace_s)
    server.start([model])


class _Mounted:
    """A route of Starlette's that hands our paths to our app, made in the server's loop."""

    def __init__(self, config: ServingConfig) -> None:
        self._router = RouterServer(config)
        self._started = False
        self._starting = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None
        self._drain_s = config.router.drain_s

    def end(self) -> None:
        """No request is new from now on; what runs is finished, then traces are sent."""
        if self._started and self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(), name="end")

    async def _end(self) -> None:
        self._router.core.draining = True
        try:
            await asyncio.sleep(self._drain_s)  # the server cancels it once its requests are done
        finally:
            await self._router.stop()

    def matches(self, scope: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Starlette's question."""
        match = import_module("starlette.routing").Match
        mine = scope["type"] == "http" and _is_ours(scope.get("path", ""))
        return (match.FULL if mine else match.NONE), {}

    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Starlette's request."""
        async with self._starting:
            if not self._started:
                await self._router.start(public=False)
                self._started = True
        await self._router.app(scope, receive, send)


def _is_ours(path: str) -> bool:
    """Not of kserve's own routes, which answer for the model that stands for the router."""
    if path.startswith("/v2/models/"):
        return not path.startswith(f"/v2/models/{NAME}")
    ours = ("/v1/chat/", "/v1/completions", "/v1/jobs", "/health/", "/openapi.json", "/console")
    return path.startswith(ours) or path in ("/v1/models", "/v2/health/live", "/v2/health/ready")
