"""The ASGI applications: the public port with its allow-list of routes, and the admin port."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from goldsmith.serving.router.admin import administer
from goldsmith.serving.router.completions import Call, attend, complete, read_call
from goldsmith.serving.router.console import console_state, page
from goldsmith.serving.router.hints import pick
from goldsmith.serving.router.infer import infer_document, is_ready, metadata, read_infer
from goldsmith.serving.router.jobs import Jobs
from goldsmith.serving.router.openapi import openapi
from goldsmith.serving.router.policies import answer
from goldsmith.serving.router.refusal import Refusal
from goldsmith.serving.router.replica import CHAT_PATH, COMPLETION_PATH
from goldsmith.serving.router.settle import refund
from goldsmith.serving.router.wire import (
    ClientGoneError,
    Link,
    Receive,
    Scope,
    Send,
    send_bytes,
    send_json,
    send_refusal,
)

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

log = logging.getLogger(__name__)

_HTML = (b"content-type", b"text/html; charset=utf-8")
_CSP = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    b"img-src data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
)
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_METHODS = {
    b"/v1/chat/completions": ("POST",),
    b"/v1/completions": ("POST",),
    b"/v1/models": ("GET",),
    b"/v1/jobs": ("POST",),
    b"/health/live": ("GET",),
    b"/health/ready": ("GET",),
    b"/v2/health/live": ("GET",),
    b"/v2/health/ready": ("GET",),
    b"/openapi.json": ("GET",),
    b"/console": ("GET",),
    b"/console/state": ("GET",),
}
"""Every public path but /v1/jobs/{id} and /v2/models/{model}[/ready|/infer]."""


class PublicApp:
    """The public port; paths are compared as they came, so that no encoding hides one."""

    def __init__(self, core: Core, jobs: Jobs | None) -> None:
        self._core, self._jobs = core, jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await _not_http(scope, receive, send)
        path = scope.get("raw_path") or scope["path"].encode()
        try:
            if scope["method"] == "POST" and path in (b"/v1/chat/completions", b"/v1/completions"):
                name = CHAT_PATH if path == b"/v1/chat/completions" else COMPLETION_PATH
                await complete(self._core, scope, receive, send, path=name)
            else:
                await self._others(path, scope, receive, send)
        except Refusal as refusal:
            self._core.metrics.sheds[refusal.code] += 1
            self._core.metrics.requests["", refusal.status] += 1
            await send_refusal(send, refusal, self._close())
        except ClientGoneError:
            return

    def _close(self) -> list[tuple[bytes, bytes]]:
        return [(b"connection", b"close")] if self._core.draining else []

    async def _others(self, path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if path in _METHODS and method not in _METHODS[path]:
            raise _wrong_method(_METHODS[path])
        match path:
            case b"/health/live" | b"/v2/health/live":
                await send_json(send, 200, {"live": True})
            case b"/health/ready" | b"/v2/health/ready":
                ready = self._core.ready
                await send_json(send, 200 if ready else 503, {"ready": ready}, self._close())
            case b"/openapi.json":
                await send_json(send, 200, openapi())
            case b"/console":
                await send_bytes(send, 200, page(), [_HTML, _CSP, _NOSNIFF])
            case b"/console/state" | b"/v1/models":
                await self._tell(path, scope, send)
            case b"/v1/jobs":
                await self._take_job(scope, receive, send)
            case _ if path.startswith(b"/v1/jobs/"):
                await self._job(path.removeprefix(b"/v1/jobs/"), scope, send)
            case _ if path.startswith(b"/v2/models/"):
                await self._model(path.removeprefix(b"/v2/models/"), scope, receive, send)
            case _:
                raise _unknown_route()

    async def _tell(self, path: bytes, scope: Scope, send: Send) -> None:
        headers = pick(scope["headers"])
        caller = await self._core.credentials.identify(headers.get(b"authorization"))
        if path == b"/v1/models":
            return await send_json(send, 200, _models(self._core))
        await send_json(send, 200, console_state(self._core, caller))

    async def _take_job(self, scope: Scope, receive: Receive, send: Send) -> None:
        jobs = self._wanted_jobs()
        call = await read_call(self._core, scope, receive)
        ask = call.job()
        try:
            job = await jobs.take(ask)
        except BaseException:
            refund(ask)
            raise
        location = [(b"location", f"/v1/jobs/{job.id}".encode())]
        await send_json(send, 202, job.public(), location)

    async def _job(self, name: bytes, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "DELETE"):
            raise _wrong_method(("GET", "DELETE"))
        jobs = self._wanted_jobs()
        headers = pick(scope["headers"])
        caller = await self._core.credentials.identify(headers.get(b"authorization"))
        job_id = name.decode("latin-1")
        act = jobs.read if scope["method"] == "GET" else jobs.cancel
        await send_json(send, 200, (await act(job_id, caller.tenant)).public())

    def _wanted_jobs(self) -> Jobs:
        if self._jobs is None:
            fix = "set router.jobs"
            raise Refusal(404, "jobs_off", "this router keeps no jobs", fix=fix)
        return self._jobs

    async def _model(self, rest: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, verb = rest.decode("latin-1").partition("/")
        match scope["method"], verb:
            case "GET", "":
                await send_json(send, 200, metadata(self._core, name))
            case "GET", "ready":
                ready = is_ready(self._core, name)
                await send_json(send, 200 if ready else 503, {"name": name, "ready": ready})
            case "POST", "infer":
                await self._infer(name, scope, receive, send)
            case _:
                raise _unknown_route()

    async def _infer(self, model: str, scope: Scope, receive: Receive, send: Send) -> None:
        core = self._core

        async def work(call: Call, _: Link) -> None:
            ask = read_infer(core, call.body, model=model, caller=call.caller, hints=call.hints)
            call.reserve(ask)
            try:
                result = await answer(core, ask)
            except BaseException:
                refund(ask)
                raise
            await send_json(send, 200, infer_document(call.body, model, result))

        await attend(core, scope, receive, work)


class AdminApp:
    """The admin port."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await _not_http(scope, receive, send)
        try:
            if not await administer(self._core, scope, receive, send):
                raise _unknown_route()
        except Refusal as refusal:
            await send_refusal(send, refusal)
        except ClientGoneError:
            return


async def _not_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Lifespan is the server's own affair here; web sockets are refused."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        raise ValueError(f"no ASGI scope {scope['type']!r}")


def _models(core: Core) -> dict[str, object]:
    """Names that `model` may have."""
    names = ["auto"]
    for tier in core.fleet.tiers:
        names += [tier, *(f"{tier}/{adapter}" for adapter in sorted(core.aliases.of(tier)))]
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "goldsmith"} for name in names
    ]
    return {"object": "list", "data": data}


def _unknown_route() -> Refusal:
    return Refusal(404, "unknown_route", "no such route", fix="see /openapi.json")


def _wrong_method(methods: tuple[str, ...]) -> Refusal:
    allowed = ", ".join(methods)
    headers = [(b"allow", allowed.encode())]
    return Refusal(405, "wrong_method", f"this route takes {allowed} only", headers=headers)
