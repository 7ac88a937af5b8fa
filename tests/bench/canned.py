"""The engine behind every proxy of a bench: answers at once, always the same, at little cost.

`python -m tests.bench.canned PORT`. A body with `"stream":true` gets 64 events, 10 ms apart;
`max_tokens` of it says how many. Traces that a router sends are acknowledged and dropped.
"""

from __future__ import annotations

import asyncio
import re
import sys

import orjson

TEXT = "north then east, take the lamp and open the old door with the brass key. " * 2
USAGE = {"prompt_tokens": 60, "completion_tokens": 64, "total_tokens": 124}
ENVELOPE = {"id": "chatcmpl-1", "created": 0, "model": "gold"}
METRICS = b"".join(
    b'vllm:%b{engine="0",model_name="gold"} 0.0\n' % name
    for name in (b"num_requests_running", b"num_requests_waiting", b"kv_cache_usage_perc")
)
EVENTS, GAP_S = 64, 0.01


def whole() -> bytes:
    """A chat completion of about 330 bytes."""
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    document = {**ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return orjson.dumps(document)


def event() -> bytes:
    """One event of a stream, as a chunk."""
    choice = {"index": 0, "delta": {"content": "north "}, "finish_reason": None}
    document = {**ENVELOPE, "object": "chat.completion.chunk", "choices": [choice]}
    return chunk(b"data: %b\n\n" % orjson.dumps(document))


def last_events() -> bytes:
    """The usage and the end."""
    document = {**ENVELOPE, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    usage = chunk(b"data: %b\n\n" % orjson.dumps(document))
    return usage + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def response(data: bytes, kind: bytes = b"application/json") -> bytes:
    """A whole answer."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(data)) + data


WHOLE, EVENT, LAST = response(whole()), event(), last_events()
MODELS = response(orjson.dumps({"object": "list", "data": [{"id": "gold", "object": "model"}]}))
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_EVENTS = re.compile(rb'"max_tokens": *(\d+)')


class Canned(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.transport: asyncio.Transport
        self.writing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is known of it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """A stream ends with its client."""
        if self.writing:
            self.writing.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end])
            found = _LENGTH.search(head)
            whole_at = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < whole_at:
                return
            body = bytes(self.buffer[end + 4 : whole_at])
            del self.buffer[:whole_at]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /metrics"):
            self.transport.write(response(METRICS, b"text/plain; version=0.0.4"))
        elif head.startswith(b"GET /v1/models"):
            self.transport.write(MODELS)
        elif head.startswith(b"POST /v1/traces"):
            kept = body.count(b'{"request_id"')
            self.transport.write(response(orjson.dumps({"kept": kept})))
        elif b'"stream":true' in body or b'"stream": true' in body:
            found = _EVENTS.search(body)
            self.writing = asyncio.ensure_future(self._stream(int(found[1]) if found else EVENTS))
        else:
            self.transport.write(WHOLE)

    async def _stream(self, events: int) -> None:
        self.transport.write(STREAM_HEAD)
        for _ in range(events):
            self.transport.write(EVENT)
            await asyncio.sleep(GAP_S)
        self.transport.write(LAST)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
