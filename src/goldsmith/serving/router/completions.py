"""POST /v1/chat/completions and /v1/completions: the straight path of nearly every request.

Who asks, what they ask, where it goes, its bytes back, the bill; one coroutine, no layers.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp

from goldsmith.serving.router.ask import USUAL_ANSWER, Ask
from goldsmith.serving.router.credentials import Caller
from goldsmith.serving.router.events import Events, text_of_events
from goldsmith.serving.router.failures import GONE, SLOW_CLIENT, Stage
from goldsmith.serving.router.forward import forward
from goldsmith.serving.router.hints import (
    Hints,
    Wanted,
    check_content,
    pick,
    read_hints,
    traceparent,
)
from goldsmith.serving.router.leg import Leg
from goldsmith.serving.router.limits import Amount, admit
from goldsmith.serving.router.policies import answer, settings_of
from goldsmith.serving.router.refusal import Headers, Refusal, bad_request
from goldsmith.serving.router.replica import CHAT_PATH, COMPLETION_PATH
from goldsmith.serving.router.settle import (
    finish,
    read_usage,
    refund,
    settle,
    trace,
    wants_trace,
)
from goldsmith.serving.router.wire import (
    LINK,
    ClientGoneError,
    Link,
    Receive,
    Scope,
    Send,
    parse_object,
    read_body,
    send_json,
    watch,
)

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

log = logging.getLogger(__name__)

_SSE = (b"content-type", b"text/event-stream; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_NO_CACHE = (b"cache-control", b"no-store")


async def complete(core: Core, scope: Scope, receive: Receive, send: Send, *, path: str) -> None:
    """One request from its first byte to its last; Refusal before anything was sent."""

    async def work(call: Call, link: Link) -> None:
        ask = call.ask(path)
        if not ask.adapter:
            return await _answer(core, ask, send, link)
        with core.pinned(ask.adapter):
            await _answer(core, ask, send, link)

    await attend(core, scope, receive, work)


async def attend(
    core: Core, scope: Scope, receive: Receive, work: Callable[[Call, Link], Awaitable[None]]
) -> None:
    """Read the request and do the work, until the client goes away."""
    watcher, task = None, asyncio.current_task()
    link = scope.get(LINK) or Link()
    link.task = task
    try:
        call = await read_call(core, scope, receive)
        if LINK not in scope:
            watcher = asyncio.create_task(watch(receive, link), name="client")
        await work(call, link)
    except ClientGoneError:
        core.metrics.gone += 1
    except asyncio.CancelledError:
        if not link.gone or (task is not None and task.uncancel() > 0):
            raise
        core.metrics.gone += 1
    finally:
        link.task = None
        if watcher is not None:
            watcher.cancel()


class Call(NamedTuple):
    """A request with its credential checked and its body parsed.

    A tuple, as all that is made for every request: they cost a third of a frozen dataclass.
    """

    core: Core
    caller: Caller
    headers: Wanted
    hints: Hints
    body: dict[str, Any]
    started: float

    def ask(self, path: str) -> Ask:
        """As a completion of either kind; the limits are taken from; Refusal."""
        ask = self.core.reader.read(
            self.body,
            caller=self.caller,
            path=path,
            hints=self.hints,
            started=self.started,
            traceparent=traceparent(self.headers),
        )
        self.reserve(ask)
        return ask

    def job(self) -> Ask:
        """As a job."""
        ask = self.ask(CHAT_PATH if "messages" in self.body else COMPLETION_PATH)
        ask.is_async = True
        return ask

    def reserve(self, ask: Ask) -> None:
        """Take what the request may use from its limits; Refusal (429)."""
        allowances = ask.caller.allowances
        if allowances:
            tokens_out = ask.max_tokens or USUAL_ANSWER
            core = self.core
            usd = ask.tokens_in * core.dearest_in + tokens_out * core.dearest_out
            amount = Amount(ask.tokens_in + tokens_out, usd)
            admit(allowances, amount, ask.started)
            ask.reserved = amount


async def read_call(core: Core, scope: Scope, receive: Receive) -> Call:
    """Credential, headers, body; Refusal."""
    started = time.monotonic()
    headers = pick(scope["headers"])
    authorization = headers.get(b"authorization")
    caller = core.credentials.known(authorization) or await core.credentials.verify(authorization)
    limit = core.settings.max_body_bytes
    check_content(headers, limit)
    hints = read_hints(headers)
    body = parse_object(await read_body(receive, limit))
    return Call(core, caller, headers, hints, body, started)


async def _answer(core: Core, ask: Ask, send: Send, link: Link) -> None:
    try:
        if ask.hints.policy != "single" and settings_of(core, ask).kind != "single":
            return await _by_policy(core, ask, send)
        leg = await forward(core, ask, tiers=ask.tiers)
    except BaseException:
        refund(ask)
        raise
    if ask.stream:
        await _stream(core, ask, leg, send, link)
    else:
        await _whole(core, ask, leg, send)


async def _by_policy(core: Core, ask: Ask, send: Send) -> None:
    """Through several tiers, for those who can wait."""
    if not ask.is_async:
        fix = "send X-Priority: async, or POST /v1/jobs"
        what = f"policy {ask.hints.policy} is for async requests only"
        raise bad_request(what, param="x-route-policy", fix=fix)
    result = await answer(core, ask)
    headers = route_headers(core, ask, result.leg)
    headers.append((b"x-route-price-usd", b"%.8f" % result.price_usd))
    await send_json(send, 200, result.document, headers)


async def _whole(core: Core, ask: Ask, leg: Leg, send: Send) -> None:
    """The engine's JSON as it is, with what it cost in the headers."""
    result = finish(core, ask, leg)
    headers = route_headers(core, ask, leg)
    headers += [
        (b"x-route-price-usd", b"%.8f" % result.price_usd),
        _JSON,
        (b"content-length", b"%d" % len(leg.chunk)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": leg.chunk})


async def _stream(core: Core, ask: Ask, leg: Leg, send: Send, link: Link) -> None:
    """The engine's events as they come."""
    events = Events(pass_usage=ask.wants_usage)
    kept: list[bytes] | None = [] if wants_trace(core, ask) else None
    status, failure = GONE, ""
    try:
        headers = route_headers(core, ask, leg)
        headers += [
            (b"x-route-price-usd", b"%.8f" % leg.decision.price_usd),
            _SSE,
            _NO_CACHE,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # In a task of its own, a chunk does not wake all the coroutines above: a tenth of its cost.
        pump = _pump(core, leg, events, send, link, kept)
        failure = await asyncio.create_task(pump, name="pump")
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
        usage = read_usage(events.usage, ask=ask, fallback_out=events.seen)
        settle(core, ask, leg, usage, ok=status == 200, status=status)
        if kept is not None:
            answer = text_of_events(b"".join(kept))
            trace(core, ask, leg, usage, answer=answer, status=status)
    if failure == SLOW_CLIENT:
        return  # it would not read an error either; the server closes the connection
    last = b"" if not failure else _broken(events, failure)
    await send({"type": "http.response.body", "body": last})


async def _pump(
    core: Core, leg: Leg, events: Events, send: Send, link: Link, kept: list[bytes] | None
) -> str:
    """Chunk by chunk; what broke it off, empty if it came to its end."""
    assert leg.response is not None  # its first byte is there
    content, replica, idle_s = leg.response.content, leg.replica, core.idle_timeout_s
    chunk, monotonic = leg.chunk, time.monotonic
    try:
        while chunk:
            passed = events.feed(chunk)
            if passed:
                if kept is not None:
                    kept.append(passed)
                if not link.write_chunk(passed):
                    await send({"type": "http.response.body", "body": passed, "more_body": True})
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


def _broken(events: Events, failure: str) -> bytes:
    """The last event of a stream that broke off; no byte follows it."""
    if events.error is not None:
        return events.error
    return Refusal(502, "stream_broken", "the answer broke off", why=failure).event()


def route_headers(core: Core, ask: Ask, leg: Leg) -> Headers:
    """`X-Route-*`: where the answer comes from, why, and how fast."""
    decision, now = leg.decision, time.monotonic()
    overhead_s = now - leg.byte_at + max(0.0, leg.sent_at - ask.started - leg.waited_s)
    core.metrics.overhead.observe(overhead_s)
    headers = [
        (b"x-request-id", ask.request_id.encode()),
        (b"x-route-tier", leg.tier.encode()),
        (b"x-route-version", leg.version.encode("latin-1", "replace")),
        (b"x-route-reason", decision.reason.encode()),
        (b"x-route-predicted-ttft-ms", b"%.2f" % decision.predicted_ttft_ms),
        (b"x-route-ttft-ms", b"%.2f" % ((leg.byte_at - ask.started) * 1e3)),
        (b"x-route-overhead-ms", b"%.3f" % (overhead_s * 1e3)),
    ]
    if core.draining:
        headers.append((b"connection", b"close"))
    return headers
