"""The folder that engines load adapters from: `<root>/<name>`, fetched by registry id and digest.

A path is never taken from a client: the name says adapter and digest, the registry says which files
those are, and every byte is checked before the folder gets its name.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from goldsmith.errors import StoreError
from goldsmith.registry import adapters, models
from goldsmith.store.directories import digest_directory
from goldsmith.store.object_store import ObjectStore

_UNFINISHED = ".fetch-"


class Shelf:
    """The adapters' folder of one machine or pod."""

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self.root, self._store = root.absolute(), store
        self.root.mkdir(parents=True, exist_ok=True)
        for left in self.root.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)

    def fetch(self, *, tier: str, version: str, name: str) -> Path:
        """The folder of an adapter, downloaded and verified unless it is there already."""
        adapter = adapters.adapter_of(name)
        if not adapter:
            raise StoreError(f"adapter {name[:80]!r} is refused", why="it is no engine-side name")
        wanted = adapters.find(self._store, tier, adapter, version)
        if wanted.name != name:
            raise StoreError(f"adapter {name} is refused", why=f"{tier}/{version} is {wanted.name}")
        target = self.root / name
        if not _holds(target, wanted.digest):
            self._download(models.prefix(tier, version), target)
        return target

    def forget(self, name: str) -> None:
        """Remove an adapter's folder; one that is not there is no error."""
        if adapters.adapter_of(name):
            shutil.rmtree(self.root / name, ignore_errors=True)

    def names(self) -> list[str]:
        """The adapters that are here, sorted."""
        return sorted(path.name for path in self.root.iterdir() if adapters.adapter_of(path.name))

    def _download(self, reference: str, target: Path) -> None:
        unfinished = self.root / f"{_UNFINISHED}{uuid.uuid4().hex}"
        unfinished.mkdir()
        try:
            models.fetch(self._store, reference, unfinished)
            shutil.rmtree(target, ignore_errors=True)  # what is there is damaged
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _holds(directory: Path, digest: str) -> bool:
    """Whether a folder holds exactly the files with this digest."""
    if directory.is_symlink() or not directory.is_dir():
        return False
    try:
        return digest_directory(directory) == digest
    except StoreError:  # a link, or an odd name
        return False
