"""Committed checkpoints of a training stage.

A checkpoint is data under a key that no other attempt can write, then one conditional create of
`manifest/<step>`. To resume is to take the newest manifest whose files all verify; a damaged one
is passed over with a warning. There is no `latest` pointer.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldsmith.errors import ConflictError, StoreError
from goldsmith.store.directories import commit_directory, fetch_directory, read_manifest
from goldsmith.store.layout import Stage, stage_prefix
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

_NOT_STATE = ("training_args.bin", "README.md")
"""Written by transformers, not needed to resume; the first is a pickle."""


class Checkpoints:
    """The checkpoints of one stage of one run, for one specification of the work."""

    def __init__(self, store: ObjectStore, run_id: str, stage: Stage, *, spec_digest: str) -> None:
        self.store, self.prefix = store, stage_prefix(run_id, stage)
        self.spec_digest = spec_digest

    def commit(self, step: int, directory: Path) -> None:
        """Make the checkpoint in `directory` durable; the first committer of a step wins."""
        for name in _NOT_STATE:
            (directory / name).unlink(missing_ok=True)
        data = f"{self.prefix}data/{step:06d}/{uuid.uuid4().hex}"
        meta = {"step": step, "spec_digest": self.spec_digest}
        manifest = commit_directory(self.store, data, directory, kind="checkpoint", meta=meta)
        entry = {**meta, "data": data, "data_sha256": manifest["sha256"]}
        try:
            self.store.create(self._key(step), seal(entry))
        except ConflictError:
            log.info("Checkpoint %d was committed by another attempt", step)

    def restore(self, directory: Path) -> Path | None:
        """Fetch the newest valid checkpoint into `directory`; None if there is none."""
        for key, entry in self._entries():
            try:
                target = directory / f"checkpoint-{entry['step']}"
                shutil.rmtree(target, ignore_errors=True)
                if read_manifest(self.store, entry["data"])["sha256"] != entry["data_sha256"]:
                    raise StoreError(f"{entry['data']} is not what {key} committed")
                fetch_directory(self.store, entry["data"], target)
                return target
            except StoreError as error:
                log.warning("Passing over checkpoint %s: %s", key, error)
        return None

    def newest(self) -> int:
        """The step of the newest checkpoint whose manifest is whole; 0 if there is none."""
        return next((int(entry["step"]) for _, entry in self._entries()), 0)

    def _entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and manifest of each checkpoint of this work, the newest first."""
        for key in reversed(list(self.store.list(f"{self.prefix}manifest/"))):
            try:
                entry = unseal(self.store.get(key), key=key)
            except StoreError as error:
                log.warning("Passing over checkpoint %s: %s", key, error)
                continue
            if entry["spec_digest"] == self.spec_digest:
                yield key, entry

    def _key(self, step: int) -> str:
        return f"{self.prefix}manifest/{step:06d}-{self.spec_digest[:12]}"
