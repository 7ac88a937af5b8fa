"""POST /v1/chat/completions and /v1/completions: the straight path of nearly every request.

Who asks, what they ask, where it goes, its bytes back, the bill; no layers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from goldsmith.serving.router.ask import USUAL_ANSWER, Ask
from goldsmith.serving.router.credentials import Caller
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
from goldsmith.serving.router.refusal import bad_request
from goldsmith.serving.router.replica import CHAT_PATH, COMPLETION_PATH
from goldsmith.serving.router.settle import finish, refund
from goldsmith.serving.router.streaming import Stream
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

_JSON = (b"content-type", b"application/json")


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
        await Stream(core, ask, leg, send, link).run()
    else:
        await _whole(core, ask, leg, send)


async def _by_policy(core: Core, ask: Ask, send: Send) -> None:
    """Through several tiers, for those who can wait."""
    if not ask.is_async:
        fix = "send X-Priority: async, or POST /v1/jobs"
        what = f"policy {ask.hints.policy} is for async requests only"
        raise bad_request(what, param="x-route-policy", fix=fix)
    result = await answer(core, ask)
    headers = result.leg.route_headers()
    headers.append((b"x-route-price-usd", b"%.8f" % result.price_usd))
    await send_json(send, 200, result.document, headers)


async def _whole(core: Core, ask: Ask, leg: Leg, send: Send) -> None:
    """The engine's JSON as it is, with what it cost in the headers."""
    result = finish(core, ask, leg)
    headers = leg.route_headers()
    headers += [
        (b"x-route-price-usd", b"%.8f" % result.price_usd),
        _JSON,
        (b"content-length", b"%d" % len(leg.chunk)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": leg.chunk})
