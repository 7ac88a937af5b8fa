"""Runs the router: two ports in one loop, and an end that cuts no request short.

At SIGTERM /health/ready says 503 and answers carry `connection: close`, while requests are still
taken until load balancers have noticed; then the ports close, and what runs is finished, all within
`router.drain_s`. At SIGINT (Ctrl-C) the ports close at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from goldsmith.config.serving import ServingConfig
from goldsmith.serving.router.app import AdminApp, PublicApp
from goldsmith.serving.router.core import Core
from goldsmith.serving.router.corked import Corked
from goldsmith.serving.router.jobs import Jobs
from goldsmith.serving.router.wire import LINK, Link

log = logging.getLogger(__name__)

NOTICE_S, NOTICE_SHARE = 5.0, 0.25
"""How long load balancers have to notice the end: the less of this and its share of drain_s."""
HEAD_LIMIT_BYTES = 64 << 10
LAST_CHANCE_S = 0.3
"""How long an idle connection stays open after the port was closed."""


class LinkedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which tells the app at once when its client goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link = Link()
        self.corked: Corked
        self.answered: RequestResponseCycle | None = None
        self.head_bytes = 0
        self.in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Answers are written in one piece."""
        corked = self.corked = Corked(transport)
        super().connection_made(corked)  # type: ignore[arg-type]  # a transport in all but its class
        self.link.shorten(corked.write, self.flow)

    def data_received(self, data: bytes) -> None:
        """Headers are bounded."""
        super().data_received(data)
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_LIMIT_BYTES:
                self.send_400_response("The request's headers are too long.")

    def on_message_begin(self) -> None:
        """The link travels in the scope."""
        super().on_message_begin()
        self.scope[LINK] = self.link  # type: ignore[literal-required]  # ours
        self.head_bytes, self.in_head = 0, True

    def on_headers_complete(self) -> None:
        """The rest is the body, which the app bounds."""
        self.in_head = False
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Of several requests in a row, one at a time is answered."""
        self.answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """An answer to HEAD, for one, ends with its head."""
        self.corked.flush()
        super().on_response_complete()

    def shutdown(self) -> None:
        """The port is closed: a request that is on its way here is still answered."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_CHANCE_S, super().shutdown)
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever works for this client stops."""
        super().connection_lost(exc)
        if self.answered is not None:  # uvicorn tells the last request only
            self.answered.disconnected = True
        self.link.lost()


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`, and waits instead of looking at a clock."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    async def main_loop(self) -> None:
        """Until `close`."""
        await self.on_tick(0)  # sets the headers of all answers
        await self._ended.wait()

    async def close(self, task: asyncio.Task[None], *, timeout_s: float) -> None:
        """Take no more connections, and finish what runs within `timeout_s`."""
        self.config.timeout_graceful_shutdown = timeout_s  # type: ignore[assignment]  # s as float
        self._ended.set()
        await asyncio.gather(task, return_exceptions=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


class RouterServer:
    """A router with its ports; `start`, then `stop` or `drain`."""

    def __init__(self, config: ServingConfig) -> None:
        self.config = config
        self.core: Core
        self.app: PublicApp
        self.jobs: Jobs | None = None
        self.public: QuietServer
        self.admin: QuietServer
        self._servers: list[tuple[QuietServer, asyncio.Task[None]]] = []

    async def start(self, *, public: bool = True) -> None:
        """Look at the replicas, then listen; without `public` another server runs the app."""
        settings = self.config.router
        core = self.core = Core(self.config)
        if settings.jobs:
            self.jobs = Jobs(core, settings.jobs)
        self.app = PublicApp(core, self.jobs)
        await core.start()
        host = settings.host
        self.admin = _server(AdminApp(core), host, settings.admin_port, protocol=HttpToolsProtocol)
        await self._listen(self.admin)
        if public:
            self.public = _server(self.app, host, settings.port, protocol=LinkedProtocol)
            await self._listen(self.public)
            log.info("Router on %s:%d, admin on %d", host, self.public.port, self.admin.port)
        if self.jobs:
            self.jobs.start()

    async def _listen(self, server: QuietServer) -> None:
        task = asyncio.create_task(server.serve(), name="server")
        self._servers.append((server, task))
        while not server.started:
            if task.done():
                task.result()
                raise OSError(f"cannot listen on {server.config.host}:{server.config.port}")
            await asyncio.sleep(0.005)

    async def drain(self) -> None:
        """Finish what runs and take what still comes, until load balancers have noticed."""
        drain_s = self.config.router.drain_s
        notice_s = min(NOTICE_S, NOTICE_SHARE * drain_s)
        self.core.draining = True
        await asyncio.sleep(notice_s)
        await self.stop(timeout_s=drain_s - notice_s)

    async def stop(self, *, timeout_s: float = 5.0) -> None:
        """Close the ports, and finish what runs within `timeout_s`."""
        self.core.draining = True
        if self.jobs:
            await self.jobs.stop()
        for server, task in reversed(self._servers):  # the admin port is the last to close
            await server.close(task, timeout_s=timeout_s)
        await self.core.stop(timeout_s=timeout_s)


def _server(app: Any, host: str, port: int, *, protocol: type[HttpToolsProtocol]) -> QuietServer:
    return QuietServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            backlog=2048,
        )
    )


async def run(config: ServingConfig) -> None:
    """Serve until a signal comes."""
    server, signals = RouterServer(config), asyncio.Queue[signal.Signals]()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    await server.start()
    if await signals.get() is signal.SIGTERM:
        drain = asyncio.create_task(server.drain())
        hurry = asyncio.create_task(signals.get())
        await asyncio.wait([drain, hurry], return_when=asyncio.FIRST_COMPLETED)
        if drain.done():
            hurry.cancel()
            return drain.result()
        drain.cancel()
    await server.stop(timeout_s=1.0)


def collect_rarely() -> None:
    """Requests make few cycles, and collections show as pauses: look for them less often."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def serve(config: ServingConfig) -> None:
    """Serve in a loop of its own until a signal comes."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(config))
