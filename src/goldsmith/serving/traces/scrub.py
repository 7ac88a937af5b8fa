"""Secrets and personal data leave a trace before it is written: each becomes a salted token.

    password: hunter2!  ->  password: <password:dkgbofjeanci>

The same value under the same salt is the same token, so that traces can still be compared; without
the salt, which never leaves the collector's volume, a token says nothing. A token has no digits and
is not found again, so scrubbing twice changes nothing.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping
from typing import Any

from goldsmith.data.sensitive.find import Finder

SCRUBBED = ("prompt", "answer", "decision", "verdict")
"""Fields of a trace that hold text of people; all others are names and numbers of the router's."""
DEEPEST = 64
_LETTERS = bytes.maketrans(b"0123456789abcdef", b"ghijklmnopabcdef")
_SMALLEST_NUMBER = 10**7


class Scrubber:
    """Replaces every find by its token; `counts` says how many of each kind."""

    def __init__(self, salt: bytes) -> None:
        self.counts: Counter[str] = Counter()
        self._salt, self._finder = salt, Finder()

    def record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The trace without what must not be kept; ValueError if it is nested too deeply."""
        return {
            name: self._value(value, 0) if name in SCRUBBED else value
            for name, value in record.items()
        }

    def text(self, text: str) -> str:
        """The text with tokens."""
        spans = self._finder.find(text)
        if not spans:
            return text
        pieces, end = [], 0
        for span in spans:
            self.counts[span.kind.name] += 1
            pieces += [text[end : span.start], self._token(span.kind.tag, text, span)]
            end = span.end
        return "".join([*pieces, text[end:]])

    def _token(self, tag: str, text: str, span: tuple[int, int, object]) -> str:
        value = text[span[0] : span[1]].encode("utf-8", "surrogatepass")
        code = hmac.digest(self._salt, value, "sha256")[:6].hex().encode().translate(_LETTERS)
        return f"<{tag}:{code.decode()}>"

    def _value(self, value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError(f"a trace is nested at most {DEEPEST} deep")
        match value:
            case str():
                return self.text(value)
            case dict():
                return {
                    self.text(key): self._value(inner, depth + 1) for key, inner in value.items()
                }
            case list():
                return [self._value(inner, depth + 1) for inner in value]
            case int() if abs(value) >= _SMALLEST_NUMBER:
                text = str(value)
                scrubbed = self.text(text)
                return value if scrubbed == text else scrubbed
        return value
