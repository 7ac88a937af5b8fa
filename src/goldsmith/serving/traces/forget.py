"""Forgetting a tenant: a tombstone first, then every sealed segment anew without its traces.

The tombstone also binds the collectors: what still lies in their local logs, or comes later with an
earlier time, is left out when it is sealed. Each step can be done again after a crash.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson

from goldsmith.errors import ConflictError, IntegrityError, NotFoundError
from goldsmith.serving.traces import segments
from goldsmith.serving.traces.segments import Sealed
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

PREFIX = "traces/forgotten/"
_TRIES = 5


@dataclass(frozen=True)
class Tombstone:
    """Traces of the tenant from before that time are to be forgotten."""

    key: str
    tenant: str
    before: float
    """Seconds since 1970, compared with a trace's `at`."""


def bury(store: ObjectStore, tenant: str, *, before: float | None = None) -> Tombstone:
    """Write the tombstone; from then on no collector seals the tenant's earlier traces."""
    before = time.time() if before is None else before
    name = f"{hashlib.sha256(tenant.encode()).hexdigest()[:16]}-{int(before * 1000)}"
    tombstone = Tombstone(f"{PREFIX}{name}.json", tenant, before)
    document = {"kind": "trace-tombstone", "tenant": tenant, "before": before}
    store.create(tombstone.key, seal(document))
    return tombstone


def tombstones(store: ObjectStore) -> list[Tombstone]:
    """Every tombstone."""
    found = []
    for key in store.list(PREFIX):
        document = unseal(store.get(key), key=f"{store.url}/{key}")
        found.append(Tombstone(key, document["tenant"], document["before"]))
    return found


def remembered(lines: Iterable[bytes], buried: Iterable[Tombstone]) -> list[bytes]:
    """The lines that no tombstone covers."""
    limits: dict[str, float] = {}
    for tombstone in buried:
        limits[tombstone.tenant] = max(tombstone.before, limits.get(tombstone.tenant, 0.0))
    if not limits:
        return list(lines)

    def kept(line: bytes) -> bool:
        record = orjson.loads(line)
        return float(record["at"]) >= limits.get(record["tenant"], 0.0)

    return [line for line in lines if kept(line)]


def held(store: ObjectStore, tenant: str) -> Iterator[Sealed]:
    """Sealed segments that hold traces of the tenant."""
    for key in segments.manifests(store):
        sealed = segments.read_tagged(store, key)[0]
        if tenant in sealed.tenants:
            yield sealed


def forget(store: ObjectStore, tombstone: Tombstone, *, told: Callable[[str, int], None]) -> None:
    """Rewrite every segment that the tombstone touches; `told` hears which, and how much went."""
    written: dict[str, list[str]] = {}
    for each, manifest in segments.objects(store):
        written.setdefault(manifest, []).append(each)
    for key in list(segments.manifests(store)):
        if gone := apply(store, key, [tombstone]):
            told(key, gone)
        named = segments.read_tagged(store, key)[0].object
        for each in written.get(key, ()):
            if each != named:  # what a crash left
                store.delete(each)
    for key, gone in _adopt(store, tombstone):
        told(key, gone)


def apply(store: ObjectStore, key: str, buried: Iterable[Tombstone]) -> int:
    """Rewrite one segment without what the tombstones cover; how many traces went."""
    buried = list(buried)
    for _ in range(_TRIES):
        sealed, tag = segments.read_tagged(store, key)
        if not any(tombstone.tenant in sealed.tenants for tombstone in buried):
            return 0
        lines = segments.lines_of(store, sealed)
        left = remembered(lines, buried)
        if len(left) == len(lines):
            return 0
        applied = {*sealed.forgotten, *(tombstone.key for tombstone in buried)}
        rewritten = segments.write_object(store, sealed.segment, left, forgotten=sorted(applied))
        try:
            segments.replace(store, rewritten, tag=tag)
        except ConflictError:
            continue
        store.delete(sealed.object)
        return len(lines) - len(left)
    raise ConflictError(f"{key} was not rewritten", why="others kept moving it", fix="try again")


def _adopt(store: ObjectStore, tombstone: Tombstone) -> Iterator[tuple[str, int]]:
    """Commit, without the tenant, the objects of collectors that were lost before their manifest.

    A collector that comes back finds its segment committed and leaves it so.
    """
    for key, manifest in list(segments.objects(store)):
        if store.exists(manifest):
            continue
        try:
            lines = segments.unpack(store, key).splitlines()
        except (NotFoundError, IntegrityError):
            continue
        left = remembered(lines, [tombstone])
        if len(left) < len(lines):
            segment = manifest.rpartition("/")[2].removesuffix(".json")
            segments.commit(store, segment, left, forgotten=[tombstone.key])
            segments.sweep(store, segment)
            yield manifest, len(lines) - len(left)
