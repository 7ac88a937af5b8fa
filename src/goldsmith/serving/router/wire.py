"""ASGI in small: read a body within a limit, answer with bytes or JSON, notice a gone client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
from uvicorn.protocols.http.flow_control import FlowControl

from goldsmith.serving.router.refusal import Headers, Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LINK = "goldsmith.link"
"""Key of the scope under which our own server puts the connection's `Link`."""
JSON = (b"content-type", b"application/json")


class Link:
    """A client's connection: whose task to cancel when it goes, and a short way for chunks."""

    __slots__ = ("_flow", "_write", "gone", "task")

    def __init__(self) -> None:
        self.gone = False
        self.task: asyncio.Task[Any] | None = None
        self._write: Callable[[bytes], None] | None = None
        self._flow: FlowControl | None = None

    def shorten(self, write: Callable[[bytes], None], flow: FlowControl) -> None:
        """From now on chunks are written to the transport itself."""
        self._write, self._flow = write, flow

    def write_chunk(self, data: bytes) -> bool:
        """A piece of a chunked answer whose head was sent; False: use `send`, which can wait.

        What ASGI does for each piece is a good part of what a chunk costs.
        """
        if self._write is None or self._flow is None or self._flow.write_paused or self.gone:
            return False
        self._write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def lost(self) -> None:
        """The client is gone; what works for it stops."""
        self.gone = True
        if self.task is not None:
            self.task.cancel()


class ClientGoneError(Exception):
    """The client went away while its request was read."""


async def watch(receive: Receive, link: Link) -> None:
    """Under a server that is not ours: wait for the client to go."""
    while (await receive())["type"] != "http.disconnect":
        pass
    link.lost()


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body; Refusal (413) past the limit."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise too_large(limit)
        return b"".join(parts)
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int) -> Refusal:
    """The body is over the limit; the connection closes, its rest is not read."""
    close = [(b"connection", b"close")]
    what = f"the body is larger than {limit} bytes"
    return Refusal(413, "body_too_large", what, fix="send a shorter prompt", headers=close)


async def send_bytes(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """A whole answer."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, document: Any, headers: Headers | None = None) -> None:
    """A whole answer as JSON."""
    await send_bytes(send, status, orjson.dumps(document), [JSON, *(headers or ())])


async def send_refusal(send: Send, refusal: Refusal, headers: Headers | None = None) -> None:
    """The refusal as a whole answer."""
    found = [JSON, *refusal.headers(), *(headers or ())]
    await send_bytes(send, refusal.status, refusal.body(), found)


def parse_json(body: bytes) -> Any:
    """The JSON in a body; Refusal (400) if it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        what = f"the body is not JSON: {error}"
        raise Refusal(400, "invalid_json", what, fix="send one JSON object") from None


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; Refusal (400)."""
    found = parse_json(body)
    if isinstance(found, dict):
        return found
    what = f"the body is a JSON {type(found).__name__}, not an object"
    raise Refusal(400, "invalid_json", what, fix='send {"model": "auto", ...}')
