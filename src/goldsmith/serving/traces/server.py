"""The collector as a process: uvicorn around the application, until SIGTERM or SIGINT."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import uvicorn

from goldsmith.config.serving import TraceSettings
from goldsmith.errors import ConfigError
from goldsmith.serving.traces.app import CollectorApp
from goldsmith.serving.traces.collector import Collector
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

DRAIN_S = 10


def serve_collector(settings: TraceSettings, store: ObjectStore, *, host: str, port: int) -> None:
    """Collect until a signal; then acknowledge what came, seal it, and return."""
    if not settings.directory:
        raise ConfigError(
            "traces.directory is not set",
            why="the collector needs a directory on a volume that outlives it",
            fix="set it in the configuration, or give --directory",
        )
    collector = Collector(settings, store, Path(settings.directory).expanduser())
    server = uvicorn.Server(
        uvicorn.Config(
            CollectorApp(collector),
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    log.info("Collecting traces (http://%s:%d, store %s)", host, port, store.url)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
        server.run()
