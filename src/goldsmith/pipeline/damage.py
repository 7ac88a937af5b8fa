"""What a resumed run does again although it was done: writing a data set that is damaged by now."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path

from goldsmith.errors import IntegrityError, NotFoundError
from goldsmith.pipeline.lease import Lease
from goldsmith.pipeline.manifest import read_run_manifest
from goldsmith.store.directories import fetch_directory
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.steps import read_step, step_key

log = logging.getLogger(__name__)


def forget_damaged_data(store: ObjectStore, run_id: str) -> None:
    """Move the record of `collaborate` aside if a failed run's data set is damaged or missing.

    Resumed, the run then collaborates again. Equal settings write the same data set, and writing
    it mends it (`store/directories.py`). Nothing is lost: the record goes to `runs/<id>/damaged/`.
    """
    record = read_step(store, run_id, "collaborate")
    failed = (read_run_manifest(store, run_id) or {}).get("status") == "failed"
    needed = read_step(store, run_id, "train_rlvr") is None
    if record and failed and needed and not _is_whole(store, record["outputs"]["dataset"]):
        log.warning("Data set %s is damaged and is written again", record["outputs"]["dataset"])
        with Lease(store, run_id):
            key = step_key(run_id, "collaborate")
            data = store.get(key)
            digest = hashlib.sha256(data).hexdigest()[:12]
            store.create(f"runs/{run_id}/damaged/collaborate-{digest}.json", data)
            store.delete(key)


def _is_whole(store: ObjectStore, dataset: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            fetch_directory(store, dataset, Path(scratch))
        except (NotFoundError, IntegrityError):
            return False
    return True
