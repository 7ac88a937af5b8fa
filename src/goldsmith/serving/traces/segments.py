"""Sealed segments: traces as compressed JSON lines in the store, described by a manifest each.

    traces/2026/11/26/02/20261126T024000-1f2e3d4c.json                    the manifest
    traces/2026/11/26/02/20261126T024000-1f2e3d4c.<sha256[:12]>.jsonl.gz  what it names

The object comes first, the manifest second: before the manifest there is nothing. An object's name
holds the hash of its lines, so that sealing again after a crash is the same commit.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from goldsmith.errors import ConflictError, IntegrityError
from goldsmith.serving.traces.journal import opened_at
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

_BROKEN = (OSError, EOFError, zlib.error)
"""What gzip says of damaged bytes."""
PREFIX = "traces/"
KIND = "traces"
_MANIFEST = re.compile(r"traces/\d{4}/\d\d/\d\d/\d\d/[^/.]+\.json")
_OBJECT = re.compile(r"(traces/\d{4}/\d\d/\d\d/\d\d/[^/.]+)\.[0-9a-f]{12}\.jsonl\.gz")


@dataclass(frozen=True)
class Sealed:
    """One sealed segment, as its manifest says."""

    segment: str
    object: str
    """Key of its lines; empty if nothing is left of them."""
    lines_sha256: str
    """Of the lines, uncompressed."""
    bytes: int
    """Of the object."""
    records: int
    tenants: dict[str, int]
    tiers: dict[str, int]
    first_at: float
    last_at: float
    forgotten: tuple[str, ...] = ()
    """Tombstones that were applied."""

    @property
    def key(self) -> str:
        """Key of its manifest."""
        return f"{folder_of(self.segment)}/{self.segment}.json"


def folder_of(segment: str) -> str:
    """Where a segment lies: by the hour in which it was begun."""
    return opened_at(segment).strftime(f"{PREFIX}%Y/%m/%d/%H")


def commit(
    store: ObjectStore,
    segment: str,
    lines: Sequence[bytes],
    *,
    forgotten: Sequence[str] = (),
) -> Sealed:
    """Write the object and its manifest; a segment that is there already stays as it is."""
    sealed = write_object(store, segment, lines, forgotten=forgotten)
    try:
        store.create(sealed.key, _manifest(sealed))
    except ConflictError:
        return read_tagged(store, sealed.key)[0]
    return sealed


def write_object(
    store: ObjectStore, segment: str, lines: Sequence[bytes], *, forgotten: Sequence[str]
) -> Sealed:
    """Write the lines, and return what the manifest is to say."""
    content = b"".join(line + b"\n" for line in lines)
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"{folder_of(segment)}/{segment}.{sha256[:12]}.jsonl.gz" if lines else ""
    size = _create(store, key, content) if lines else 0
    records = [orjson.loads(line) for line in lines]
    times = [float(record["at"]) for record in records] or [0.0]
    return Sealed(
        segment,
        key,
        sha256,
        size,
        len(records),
        dict(sorted(Counter(record["tenant"] for record in records).items())),
        dict(sorted(Counter(record.get("tier", "") for record in records).items())),
        min(times),
        max(times),
        tuple(sorted(forgotten)),
    )


def replace(store: ObjectStore, sealed: Sealed, *, tag: str) -> None:
    """Make the manifest say something else; ConflictError if it was moved meanwhile."""
    store.replace(sealed.key, _manifest(sealed), tag=tag)


def read_tagged(store: ObjectStore, key: str) -> tuple[Sealed, str]:
    """A manifest, and the tag that `replace` wants."""
    data, tag = store.get_tagged(key)
    document: dict[str, Any] = unseal(data, key=f"{store.url}/{key}")
    fields = {name: document[name] for name in Sealed.__dataclass_fields__}
    return Sealed(**{**fields, "forgotten": tuple(fields["forgotten"])}), tag


def manifests(store: ObjectStore, *, day: str = "") -> Iterator[str]:
    """The key of every manifest, oldest first; of a year, month or day like `2026-11` only."""
    prefix = PREFIX + day.replace("-", "/") + ("/" if day else "")
    return (key for key in store.list(prefix) if _MANIFEST.fullmatch(key))


def objects(store: ObjectStore) -> Iterator[tuple[str, str]]:
    """The key of every object and that of the manifest that should name it."""
    for key in store.list(PREFIX):
        if match := _OBJECT.fullmatch(key):
            yield key, f"{match[1]}.json"


def lines_of(store: ObjectStore, sealed: Sealed) -> list[bytes]:
    """The verified lines; IntegrityError if one bit is off, NotFoundError if they were moved."""
    if not sealed.object:
        return []
    content = unpack(store, sealed.object)
    if hashlib.sha256(content).hexdigest() != sealed.lines_sha256:
        raise IntegrityError(
            f"{store.url}/{sealed.object} is damaged",
            why="its lines do not match the hash in its manifest",
        )
    return content.splitlines()


def unpack(store: ObjectStore, key: str) -> bytes:
    """The uncompressed content of an object."""
    data = store.get(key)
    try:
        return gzip.decompress(data)
    except _BROKEN as error:
        raise IntegrityError(f"{store.url}/{key} is damaged", why=str(error)) from error


def sweep(store: ObjectStore, segment: str) -> None:
    """Delete what a killed writer left of a segment: objects that its manifest does not name."""
    named = read_tagged(store, f"{folder_of(segment)}/{segment}.json")[0].object
    for key in store.list(f"{folder_of(segment)}/{segment}."):
        if key != named and _OBJECT.fullmatch(key):
            store.delete(key)


def first_of_each(lines: Iterable[bytes]) -> list[bytes]:
    """The lines without those whose `request_id` came before."""
    kept: dict[str, bytes] = {}
    for line in lines:
        kept.setdefault(orjson.loads(line)["request_id"], line)
    return list(kept.values())


def _create(store: ObjectStore, key: str, content: bytes) -> int:
    """Bytes of the object; one that is there is as good if it has the same lines, else mended."""
    data = gzip.compress(content, 6, mtime=0)
    try:
        store.create(key, data)
    except ConflictError:
        found, tag = store.get_tagged(key)
        if not _holds(found, content):
            log.warning("%s/%s was damaged; it is written again", store.url, key)
            store.replace(key, data, tag=tag)
    return len(data)


def _holds(data: bytes, content: bytes) -> bool:
    try:
        return gzip.decompress(data) == content
    except _BROKEN:
        return False


def _manifest(sealed: Sealed) -> bytes:
    return seal({"kind": KIND, "version": 1, **asdict(sealed)})
