"""Typed reading of a JSON body's fields; Refusal names the field and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from goldsmith.serving.builtin.refusal import Refusal

Body = Mapping[str, Any]


def read_object(data: bytes) -> Body:
    """The body as an object."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal(400, "the body must be a JSON object")
    return body


def number(body: Body, name: str, *, low: float, high: float, default: float) -> float:
    """A number between `low` and `high`; the default for none or null."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _wrong(name, f"a number from {low:g} to {high:g}")
    return float(value)


def integer(body: Body, name: str, *, low: int, high: int) -> int | None:
    """An integer between `low` and `high`, or None."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not int or not low <= value <= high:
        raise _wrong(name, f"an integer from {low} to {high}")
    return value


def flag(body: Body, name: str) -> bool:
    """A boolean; False for none or null."""
    value = body.get(name)
    if value is not None and type(value) is not bool:
        raise _wrong(name, "true or false")
    return bool(value)


def text(body: Body, name: str) -> str:
    """A string that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(name, "a string that is not empty")
    return value


def stops(body: Body) -> tuple[str, ...]:
    """Up to four strings."""
    value = body.get("stop")
    values = [value] if isinstance(value, str) else value or []
    if not isinstance(values, list) or len(values) > 4:
        raise _wrong("stop", "a string or a list of at most 4")
    if not all(isinstance(stop, str) and 0 < len(stop) <= 256 for stop in values):
        raise _wrong("stop", "strings of 1 to 256 characters")
    return tuple(values)


def _wrong(name: str, expected: str) -> Refusal:
    return Refusal(400, f"`{name}` must be {expected}", param=name)
