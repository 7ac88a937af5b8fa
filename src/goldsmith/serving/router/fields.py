"""The body fields that a request may have: all others are refused with the nearest name.

A check returns what is wrong with a value, empty if nothing is. Images, tools and further answers
(`n`) are left out on purpose: no engine here needs them, and each is a way in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from goldsmith.config.load import nearest
from goldsmith.serving.router.refusal import bad_request

Check = Callable[[Any], str]

ROLES = frozenset(("system", "developer", "user", "assistant", "tool"))
_MESSAGE_FIELDS = frozenset(("role", "content", "name", "tool_call_id"))
_LONGEST_STOP, _MOST_STOPS = 256, 16


def number(low: float, high: float) -> Check:
    """A number within bounds, or null."""

    def check(value: Any) -> str:
        if value is None:
            return ""
        if type(value) not in (int, float):
            return "is not a number"
        return "" if low <= value <= high and math.isfinite(value) else f"is not {low} to {high}"

    return check


def whole(low: int, high: int) -> Check:
    """A whole number within bounds, or null."""

    def check(value: Any) -> str:
        if value is None:
            return ""
        if type(value) is not int:
            return "is not a whole number"
        return "" if low <= value <= high else f"is not {low} to {high}"

    return check


def flag(value: Any) -> str:
    """True, false or null."""
    return "" if value is None or type(value) is bool else "is not true or false"


def text(value: Any) -> str:
    """A string without characters that no UTF-8 has."""
    return "" if type(value) is str else "is not a string"


def stop(value: Any) -> str:
    """A string, a list of them, or null."""
    values = value if type(value) is list else [value]
    if value is None:
        return ""
    if not all(type(each) is str and 0 < len(each) <= _LONGEST_STOP for each in values):
        return f"is not a string of 1 to {_LONGEST_STOP} characters, nor a list of such"
    return "" if len(values) <= _MOST_STOPS else f"has more than {_MOST_STOPS} strings"


def stream_options(value: Any) -> str:
    """`{"include_usage": bool}` or null."""
    if value is None:
        return ""
    if type(value) is not dict or not value.keys() <= {"include_usage"}:
        return 'is not {"include_usage": true or false}'
    return flag(value.get("include_usage"))


def messages(value: Any) -> str:
    """A list of messages, each a role and a text."""
    if type(value) is not list or not value:
        return "is not a list of messages"
    for index, message in enumerate(value):
        if wrong := _message(message):
            return f"[{index}] {wrong}"
    return ""


def _message(message: Any) -> str:
    if type(message) is not dict:
        return "is not an object"
    if not message.keys() <= _MESSAGE_FIELDS:
        extra = min(message.keys() - _MESSAGE_FIELDS)
        return f"has an unknown field {extra!r}; {nearest(extra, _MESSAGE_FIELDS)}"
    role, content = message.get("role"), message.get("content")
    if type(role) is not str or role not in ROLES:
        return f"has no role of {', '.join(sorted(ROLES))}"
    if type(content) is list:
        return _parts(content)
    return "" if type(content) is str else "has no text as content"


def _parts(parts: list[Any]) -> str:
    for part in parts:
        if type(part) is not dict or part.keys() != {"type", "text"} or part["type"] != "text":
            return 'has a content part that is not {"type": "text", "text": ...}'
        if type(part["text"]) is not str:
            return "has a content part whose text is not a string"
    return "" if parts else "has no content part"


def only_one(value: Any) -> str:
    """`n` is 1."""
    return "" if value is None or (type(value) is int and value == 1) else "is not 1"


SHARED: Mapping[str, Check] = {
    "model": text,
    "stream": flag,
    "stream_options": stream_options,
    "max_tokens": whole(1, 1 << 20),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "n": only_one,
    "stop": stop,
    "seed": whole(-(2**63), 2**63 - 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "user": text,
}
CHAT: Mapping[str, Check] = {
    **SHARED,
    "messages": messages,
    "max_completion_tokens": whole(1, 1 << 20),
    "logprobs": flag,
    "top_logprobs": whole(0, 20),
}
COMPLETION: Mapping[str, Check] = {**SHARED, "prompt": text, "logprobs": whole(0, 20)}


def check_fields(body: dict[str, Any], fields: Mapping[str, Check]) -> None:
    """Refusal (400) for the first field that is unknown, wrong or missing."""
    for name, value in body.items():
        check = fields.get(name)
        if check is None:
            fix = nearest(name, fields)
            raise bad_request(
                f"unknown field {name[:64]!r}", param=name[:64], fix=fix, code="unknown_field"
            )
        if wrong := check(value):
            raise bad_request(f"{name}{'' if wrong[0] == '[' else ' '}{wrong}", param=name)
    for name in ("model", "messages" if "messages" in fields else "prompt"):
        if name not in body:
            raise bad_request(f"{name} is missing", param=name, code="missing_field")
