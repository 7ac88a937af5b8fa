"""Sealing: a closed segment of the local log goes into the store, once, and then leaves the disk.

A crash at any point leaves the local segment, and sealing it again is the same commit. Tombstones
are read before and after: one that was written meanwhile is applied to what was just sealed.
"""

from __future__ import annotations

from pathlib import Path

from goldsmith.serving.traces.forget import apply, remembered, tombstones
from goldsmith.serving.traces.journal import read_segment
from goldsmith.serving.traces.segments import Sealed, commit, first_of_each, read_tagged, sweep
from goldsmith.store.object_store import ObjectStore


def seal_segment(store: ObjectStore, path: Path) -> Sealed:
    """Commit a closed segment; when this returns, the local file may go."""
    buried = tombstones(store)
    lines = first_of_each(read_segment(path))
    left = remembered(lines, buried)
    dropped = [tombstone.key for tombstone in buried] if len(left) < len(lines) else []
    sealed = commit(store, path.stem, left, forgotten=dropped)
    sweep(store, sealed.segment)
    if apply(store, sealed.key, tombstones(store)):
        sealed = read_tagged(store, sealed.key)[0]
    return sealed
