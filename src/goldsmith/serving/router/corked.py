"""A transport that sends the head of an answer together with the first bytes of its body."""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD, _CONTINUE = b"HTTP/1.1 ", b"HTTP/1.1 100"


class Corked:
    """Wraps a transport: uvicorn writes head and body apart, each a system call and a packet.

    The head waits for the next write, `flush` or `close`: whoever sends one has the body at hand.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""

    def write(self, data: bytes) -> None:
        """Bytes of an answer, in their order."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """The answer has no body."""
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """After what was written."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """The rest is the transport's own affair."""
        return getattr(self._transport, name)
