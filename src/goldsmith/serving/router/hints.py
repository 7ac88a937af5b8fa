"""What a request's headers ask of the route: SLO, cost, quality, priority, policy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from goldsmith.serving.router.refusal import Refusal, bad_request
from goldsmith.serving.router.wire import too_large

WANTED = frozenset(
    (
        b"authorization",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"traceparent",
        b"x-slo-ttft-ms",
        b"x-max-cost",
        b"x-min-quality",
        b"x-priority",
        b"x-route-policy",
    )
)
PRIORITIES = {b"low": -1, b"normal": 0, b"high": 1, b"async": -2}
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Wanted = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Hints:
    """The conditions of one request."""

    slo_ttft_ms: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    priority: int = 0
    is_async: bool = False
    policy: str = "single"


NO_HINTS = Hints()
_NAMES = (b"x-slo-ttft-ms", b"x-max-cost", b"x-min-quality", b"x-priority", b"x-route-policy")


def pick(headers: Iterable[tuple[bytes, bytes]]) -> Wanted:
    """The headers that matter; Refusal (400) if one of them comes twice."""
    found: Wanted = {}
    for name, value in headers:
        if name in WANTED:
            if name in found:
                raise bad_request(f"header {name.decode()} comes twice", code="duplicate_header")
            found[name] = value
    return found


def read_hints(found: Wanted) -> Hints:
    """The hints among the headers; Refusal (400) for one that makes no sense."""
    if not any(name in found for name in _NAMES):
        return NO_HINTS
    priority = found.get(b"x-priority", b"normal").lower()
    if priority not in PRIORITIES:
        raise _wrong(b"x-priority", "one of low, normal, high, async")
    return Hints(
        slo_ttft_ms=_number(found, b"x-slo-ttft-ms", low=1.0, high=3_600_000.0),
        max_cost_usd=_number(found, b"x-max-cost", low=0.0, high=1e6),
        min_quality=_number(found, b"x-min-quality", low=0.0, high=1.0),
        priority=PRIORITIES[priority],
        is_async=priority == b"async",
        policy=found.get(b"x-route-policy", b"single").decode("latin-1"),
    )


def check_content(found: Wanted, limit: int) -> None:
    """Refusal for a body that is not plain JSON, or says that it is too long."""
    kind = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        what = "the content type is not application/json"
        raise Refusal(415, "unsupported_media_type", what, fix="send JSON and say so")
    if found.get(b"content-encoding", b"identity") != b"identity":
        what = "compressed bodies are not read"
        raise Refusal(415, "unsupported_encoding", what, fix="send it as it is")
    length = found.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > limit:
        raise too_large(limit)


def traceparent(found: Wanted) -> str:
    """The caller's trace context, if it is well formed."""
    value = found.get(b"traceparent", b"")
    return value.decode() if value and _TRACEPARENT.fullmatch(value) else ""


def _number(found: Wanted, name: bytes, *, low: float, high: float) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    try:
        number = float(value.decode("ascii"))
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise _wrong(name, f"a number from {low:g} to {high:g}")
    return number


def _wrong(name: bytes, right: str) -> Refusal:
    return bad_request(f"header {name.decode()} is not {right}", param=name.decode())
