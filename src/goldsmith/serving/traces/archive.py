"""Reading sealed traces: each request once, every segment checked against its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from goldsmith.errors import NotFoundError
from goldsmith.serving.traces import segments
from goldsmith.serving.traces.segments import Sealed
from goldsmith.store.object_store import ObjectStore


@dataclass(frozen=True)
class Choice:
    """Which traces are meant; empty: all."""

    day: str = ""
    """`2026`, `2026-11` or `2026-11-26`, by when a segment was begun (UTC)."""
    tenant: str = ""
    tier: str = ""
    consented: bool = False
    """Only those whose tenant consented to training."""

    def takes(self, record: dict[str, Any]) -> bool:
        """Whether a trace is meant."""
        return (
            (not self.tenant or record["tenant"] == self.tenant)
            and (not self.tier or record.get("tier", "") == self.tier)
            and (not self.consented or record.get("consent") is True)
        )

    def holds(self, sealed: Sealed) -> bool:
        """Whether a segment may hold one."""
        return (not self.tenant or self.tenant in sealed.tenants) and (
            not self.tier or self.tier in sealed.tiers
        )


@dataclass(frozen=True)
class Stats:
    """What the store holds, as the manifests say: a trace that was sent twice may count twice."""

    segments: int
    records: int
    bytes: int
    tenants: dict[str, int]
    tiers: dict[str, int]
    first_at: float
    last_at: float


def read(store: ObjectStore, choice: Choice) -> Iterator[dict[str, Any]]:
    """The chosen traces, oldest segment first, each `request_id` once."""
    seen: set[str] = set()
    for key in segments.manifests(store, day=choice.day):
        for record in _records(store, key, choice):
            if record["request_id"] not in seen:
                seen.add(record["request_id"])
                yield record


def tail(store: ObjectStore, choice: Choice, *, count: int) -> list[dict[str, Any]]:
    """The last `count` chosen traces, oldest first."""
    last: dict[str, dict[str, Any]] = {}
    for key in reversed(list(segments.manifests(store, day=choice.day))):
        for record in reversed(list(_records(store, key, choice))):
            last.setdefault(record["request_id"], record)
        if len(last) >= count:
            break
    return list(last.values())[:count][::-1]


def stats(store: ObjectStore, choice: Choice) -> Stats:
    """Counts over the manifests of the chosen segments."""
    tenants: Counter[str] = Counter()
    tiers: Counter[str] = Counter()
    found = [
        sealed
        for key in segments.manifests(store, day=choice.day)
        if choice.holds(sealed := segments.read_tagged(store, key)[0])
    ]
    for sealed in found:
        tenants.update(sealed.tenants)
        tiers.update(sealed.tiers)
    times = [at for each in found if each.records for at in (each.first_at, each.last_at)]
    return Stats(
        len(found),
        sum(sealed.records for sealed in found),
        sum(sealed.bytes for sealed in found),
        dict(sorted(tenants.items())),
        dict(sorted(tiers.items())),
        min(times, default=0.0),
        max(times, default=0.0),
    )


def _records(store: ObjectStore, key: str, choice: Choice) -> Iterator[dict[str, Any]]:
    sealed = segments.read_tagged(store, key)[0]
    if choice.holds(sealed):
        for line in _lines(store, sealed):
            record = orjson.loads(line)
            if choice.takes(record):
                yield record


def _lines(store: ObjectStore, sealed: Sealed) -> list[bytes]:
    """The lines; a segment that was rewritten meanwhile is read as it is now."""
    try:
        return segments.lines_of(store, sealed)
    except NotFoundError:
        return segments.lines_of(store, segments.read_tagged(store, sealed.key)[0])
