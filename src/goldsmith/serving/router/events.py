"""Server-sent events on their way through: whole events only, and only the last ones are read."""

from __future__ import annotations

import re
from typing import Any

import orjson

BOUNDARY = re.compile(rb"\r?\n\r?\n")
_TEXT = re.compile(rb'"(?:content|text)"\s*:\s*"((?:[^"\\]+|\\.)*)"')
"""A key within a JSON string has a backslash before its quotes, so only real keys match."""
_ERROR = b'data: {"error"'


class Events:
    """Passes bytes on untouched; sees the usage, the end and an error; holds half an event back.

    The usage event goes no further unless the caller asked for it.
    """

    __slots__ = ("_held", "done", "error", "pass_usage", "seen", "usage")

    def __init__(self, *, pass_usage: bool) -> None:
        self.pass_usage = pass_usage
        self.usage: dict[str, Any] | None = None
        self.seen = 0
        """Chunks of the answer, roughly its tokens."""
        self.done = False
        self.error: bytes | None = None
        """The engine's own error event: nothing may follow it."""
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on of it now."""
        if (
            not self._held
            and chunk.endswith(b"\n\n")
            and b'"usage"' not in chunk
            and b"[DONE]" not in chunk
            and _ERROR not in chunk
        ):
            self.seen += 1
            return chunk
        return self._read(chunk)

    def _read(self, chunk: bytes) -> bytes:
        """Event by event."""
        data = self._held + chunk
        passed, start = [], 0
        for boundary in BOUNDARY.finditer(data):
            event = data[start : boundary.end()]
            start = boundary.end()
            if self.error is None and self._passes(event):
                passed.append(event)
        self._held = data[start:]
        return b"".join(passed)

    def _passes(self, event: bytes) -> bool:
        if event.startswith(_ERROR):
            self.error = event
            return False
        if event.startswith((b"data: [DONE]", b"data:[DONE]")):
            self.done = True
            return True
        if b'"usage"' in event and (document := read_event(event)):
            usage = document.get("usage")
            if isinstance(usage, dict):
                self.usage = usage
                if not document.get("choices"):
                    return self.pass_usage
        self.seen += 1
        return True


def read_event(event: bytes) -> dict[str, Any] | None:
    """The JSON object of one event, if it is one."""
    _, _, data = event.partition(b"data:")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def text_of_events(data: bytes) -> str:
    """The answer's text in a whole stream: its strings are joined first and decoded once."""
    joined = b"".join(_TEXT.findall(data))
    try:
        return str(orjson.loads(b'"%b"' % joined))
    except orjson.JSONDecodeError:
        return joined.decode(errors="replace")
