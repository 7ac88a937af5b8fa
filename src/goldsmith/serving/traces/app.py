"""The collector over HTTP: POST /v1/traces, GET /health, GET /metrics. Raw ASGI.

POST /v1/traces   [record, ...]  ->  200 {"kept": n, "refused": [{"index", "why"}]}
                                     when all others are durable
                                     503 + Retry-After: none is, send them again
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from goldsmith.serving.traces.collector import Busy, Collector
from goldsmith.serving.traces.meters import exposition
from goldsmith.serving.traces.record import MAX_BATCH, MAX_BATCH_BYTES

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
BODY_BYTES = MAX_BATCH_BYTES + (1 << 20)
READING_BYTES = 32 << 20
"""Of all bodies that are being read or wait for the disk."""


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, *, retry_after_s: int = 0) -> None:
        self.status, self.message, self.retry_after_s = status, message, retry_after_s
        super().__init__(message)


class CollectorApp:
    """The ASGI application around one collector."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._reading = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._collector.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._collector.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            match scope["method"], scope["path"]:
                case "POST", "/v1/traces":
                    await _answer(send, 200, await self._keep(scope, receive))
                case "GET", "/health":
                    await _answer(send, 200, self._health())
                case "GET", "/metrics":
                    text = exposition(self._collector)
                    await _reply(send, 200, text, [(b"content-type", b"text/plain; version=0.0.4")])
                case _, "/v1/traces" | "/health" | "/metrics":
                    raise Refusal(405, f"{scope['method']} is not allowed here")
                case _:
                    raise Refusal(404, "this is the trace collector: POST /v1/traces")
        except Refusal as refusal:
            await _refuse(send, refusal)

    async def _keep(self, scope: Message, receive: Receive) -> dict[str, Any]:
        size = 0
        try:
            chunks = []
            async for chunk in _body(receive):
                size += len(chunk)
                self._reading += len(chunk)
                self._check(size)
                chunks.append(chunk)
            kept = await self._collector.keep(_records(b"".join(chunks)))
        except Busy as busy:
            raise Refusal(503, str(busy), retry_after_s=busy.retry_after_s) from busy
        finally:
            self._reading -= size
        refused = [{"index": index, "why": why} for index, why in kept.refused]
        return {"kept": kept.kept, "refused": refused}

    def _check(self, size: int) -> None:
        if size > BODY_BYTES:
            raise Refusal(413, f"a post has at most {BODY_BYTES} bytes")
        if self._reading > READING_BYTES:
            raise Refusal(503, "too many traces are being read", retry_after_s=1)

    def _health(self) -> dict[str, Any]:
        journal = self._collector.journal
        return {
            "status": "ok",
            "waiting": self._collector.waiting,
            "unsealed_segments": journal.unsealed,
            "disk_bytes": journal.disk_bytes,
        }


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """The pieces of a body; a sender that hung up has no traces."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(499, "the sender hung up")
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _records(body: bytes) -> list[Any]:
    try:
        records = orjson.loads(body)
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}") from error
    if not isinstance(records, list):
        raise Refusal(400, "the body is a JSON array of traces")
    if len(records) > 4 * MAX_BATCH:
        raise Refusal(413, f"a post has at most {4 * MAX_BATCH} traces")
    return records


async def _answer(send: Send, status: int, document: dict[str, Any]) -> None:
    await _reply(send, status, orjson.dumps(document), [(b"content-type", b"application/json")])


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers: Headers = [(b"content-type", b"application/json")]
    if refusal.retry_after_s:
        headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    error = {"message": refusal.message, "type": "invalid_request_error"}
    if refusal.status >= 500:
        error["type"] = "overloaded_error"
    await _reply(send, refusal.status, orjson.dumps({"error": error}), headers)


async def _reply(send: Send, status: int, body: bytes, headers: Headers) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
