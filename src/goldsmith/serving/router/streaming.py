"""`Stream`: an answer on its way from an engine to its client, event by event, and its bill."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from goldsmith.serving.router.ask import Ask
from goldsmith.serving.router.events import Events, text_of_events
from goldsmith.serving.router.failures import GONE, SLOW_CLIENT, Stage
from goldsmith.serving.router.leg import Leg
from goldsmith.serving.router.refusal import Headers, Refusal
from goldsmith.serving.router.settle import read_usage, settle, trace, wants_trace
from goldsmith.serving.router.wire import Link, Send

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

log = logging.getLogger(__name__)

_SSE = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


class Stream:
    """One stream whose first bytes are there; `run` sends all of it, and never a byte twice."""

    def __init__(self, core: Core, ask: Ask, leg: Leg, send: Send, link: Link) -> None:
        self._core, self._ask, self._leg, self._send, self._link = core, ask, leg, send, link
        self._events = Events(pass_usage=ask.wants_usage)
        self._kept: list[bytes] | None = [] if wants_trace(core, ask) else None

    async def run(self) -> None:
        """From the head to the bill."""
        leg = self._leg
        status, failure = GONE, ""
        try:
            # A task of its own: a chunk wakes none of the coroutines above, a tenth of its cost.
            failure = await asyncio.create_task(self._pump(), name="pump")
            status = 502 if failure else 200
        except asyncio.CancelledError:
            if not leg.why:
                raise  # the client is gone, or the router is
            task = asyncio.current_task()
            if task is not None and task.uncancel() > 0:
                raise
            failure = leg.why
            status = GONE if failure == SLOW_CLIENT else 504
        finally:
            self._settle(status)
        if failure == SLOW_CLIENT:
            return  # it would not read an error either; the server closes the connection
        last = b"" if not failure else _broken(self._events, failure)
        await self._send({"type": "http.response.body", "body": last})

    async def _pump(self) -> str:
        """Chunk by chunk; what broke it off, empty if it came to its end."""
        leg, events, send, link, kept = self._leg, self._events, self._send, self._link, self._kept
        assert leg.response is not None  # its first byte is there
        content, replica, idle_s = leg.response.content, leg.replica, self._core.idle_timeout_s
        chunk, monotonic = leg.chunk, time.monotonic
        body: dict[str, Any] = {"type": "http.response.body", "more_body": True}
        await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
        try:
            while chunk:
                passed = events.feed(chunk)
                if passed:
                    if kept is not None:
                        kept.append(passed)
                    if not link.write_chunk(passed):
                        await send({**body, "body": passed})
                if events.error is not None:
                    return "the engine reported an error"
                now = replica.byte_at = monotonic()
                leg.stage, leg.due = Stage.ENGINE, now + idle_s
                chunk = await content.readany()
                leg.stage = Stage.CLIENT
        except (aiohttp.ClientError, OSError) as error:
            log.info("%s: %s", replica.url, error or type(error).__name__)
            return "the engine broke off"
        finally:
            leg.due = math.inf
        return "" if events.done else "the engine's stream ended too early"

    def _headers(self) -> Headers:
        price = (b"x-route-price-usd", b"%.8f" % self._leg.decision.price_usd)
        return [*self._leg.route_headers(), price, *_SSE]

    def _settle(self, status: int) -> None:
        core, ask, leg, events = self._core, self._ask, self._leg, self._events
        usage = read_usage(events.usage, ask=ask, fallback_out=events.seen)
        settle(core, ask, leg, usage, ok=status == 200, status=status)
        if self._kept is not None:
            text = text_of_events(b"".join(self._kept))
            trace(core, ask, leg, usage, answer=text, status=status)


def _broken(events: Events, failure: str) -> bytes:
    """The last event of a stream that broke off; no byte follows it."""
    if events.error is not None:
        return events.error
    return Refusal(502, "stream_broken", "the answer broke off", why=failure).event()
