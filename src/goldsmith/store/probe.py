"""Does a store keep what it promises? Asked before a run depends on it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from goldsmith.errors import ConflictError, StoreError
from goldsmith.store.object_store import ObjectStore


def probe(store: ObjectStore) -> str:
    """Write, refuse a second writer, swap, refuse a stale swap, read, delete; StoreError if not."""
    key = f"checks/{secrets.token_hex(8)}"
    store.create(key, b"1")
    try:
        _must_conflict(store, lambda: store.create(key, b"2"))
        _, tag = store.get_tagged(key)
        store.replace(key, b"3", tag=tag)
        _must_conflict(store, lambda: store.replace(key, b"4", tag=tag))
        if store.get(key) != b"3":
            raise StoreError(f"store {store.url} does not give back what was written")
    finally:
        store.delete(key)
    return f"{store.url} writes, reads and swaps as it must"


def _must_conflict(store: ObjectStore, write: Callable[[], None]) -> None:
    try:
        write()
    except ConflictError:
        return
    raise StoreError(
        f"store {store.url} overwrites", why="it ignores conditions", fix="use another store"
    )
