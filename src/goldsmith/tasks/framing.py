"""Length-prefixed JSON over a pipe: the only thing that crosses to and from the verifier."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

MAX_FRAME = 4 * 2**20
"""Bytes of one message; more is refused on both sides."""
HEADER = 4


class BrokenFrame(Exception):
    """The other side is gone or sent what is not a message."""


def encode(message: dict[str, Any]) -> bytes:
    """Header and body; ValueError, TypeError or RecursionError if it cannot be sent."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_FRAME:
        raise ValueError(f"message of {len(body)} bytes, more than {MAX_FRAME}")
    return len(body).to_bytes(HEADER) + body


def write_frame(descriptor: int, frame: bytes, *, timeout_s: float | None = None) -> None:
    """All of a frame; BrokenFrame if nobody is there, TimeoutError if nobody reads in time.

    A time limit needs a descriptor that does not block.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    view = memoryview(frame)
    while view:
        _wait(descriptor, select.POLLOUT, deadline)
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            continue
        except OSError as error:
            raise BrokenFrame(str(error)) from None


def read_frame(descriptor: int, *, timeout_s: float | None = None) -> dict[str, Any]:
    """The next message; BrokenFrame at the end or on nonsense, TimeoutError when time is up."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    size = int.from_bytes(_read(descriptor, HEADER, deadline))
    if size > MAX_FRAME:
        raise BrokenFrame(f"message of {size} bytes, more than {MAX_FRAME}")
    try:
        message = json.loads(_read(descriptor, size, deadline))
    except (ValueError, RecursionError) as error:
        raise BrokenFrame(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise BrokenFrame("not an object")
    return message


def _read(descriptor: int, size: int, deadline: float | None) -> bytes:
    """Exactly `size` bytes before the deadline (monotonic seconds)."""
    parts: list[bytes] = []
    while size:
        _wait(descriptor, select.POLLIN, deadline)
        part = os.read(descriptor, min(size, 2**16))
        if not part:
            raise BrokenFrame("the other side is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _wait(descriptor: int, event: int, deadline: float | None) -> None:
    """Return when the descriptor is ready (or broken); TimeoutError after the deadline."""
    if deadline is None:
        return
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0, int((deadline - time.monotonic()) * 1000))):
        raise TimeoutError
