"""Puts a version's files where an engine reads them, each checked against the signed manifest.

    python -m goldsmith.cluster.model_files TIER VERSION FOLDER

An init container of every pod that serves a tier runs it. The files are in FOLDER/VERSION when it
ends. FOLDER may be a volume that several pods share and fill at the same time: a version appears
there whole or not at all, and whoever comes second checks what is there. The version before stays
too, for pods that still read it; older ones go.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from goldsmith.errors import ConfigError, GoldsmithError, IntegrityError
from goldsmith.registry import models
from goldsmith.store.manifest import file_sha256
from goldsmith.store.object_store import ObjectStore, check_key, open_store

log = logging.getLogger(__name__)

KEPT = 2
"""Versions that stay on a shared volume: the new one, and what older pods read."""
_PART = ".part-"


def place(store: ObjectStore, tier: str, version: str, folder: Path) -> Path:
    """Fetch a version below `folder`, or check the one that is there; its own folder."""
    if not version:
        raise ConfigError(
            f"tier {tier} has no version yet",
            why="the rollout controller has not told this pod which one is live",
            fix="see its log: kubectl logs deployment/goldsmith-rollout",
        )
    target = folder / check_key(version)
    if target.is_dir():
        check(store, tier, version, target)
        log.info("%s/%s is in %s already, and whole", tier, version, target)
        return target
    _fetch(store, tier, version, target)
    _forget_old(folder)
    return target


def check(store: ObjectStore, tier: str, version: str, folder: Path) -> None:
    """IntegrityError names the first file that is not what the signed manifest says."""
    for name, entry in models.show(store, tier, version)["files"].items():
        path = folder / check_key(name)
        if not path.is_file() or file_sha256(path) != entry["sha256"]:
            raise IntegrityError(
                f"{path} is not what {tier}/{version} has", fix=f"delete {folder}; it comes again"
            )


def _fetch(store: ObjectStore, tier: str, version: str, target: Path) -> None:
    """Beside its place first, so that it appears there whole; another pod may be faster."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=_PART, dir=target.parent))
    try:
        log.info("Fetching %s/%s from %s", tier, version, store.url)
        models.export(store, tier, version, part)
        part.chmod(0o755)  # mkdtemp's is for its own user alone
        try:
            os.rename(part, target)
        except OSError:
            if not target.is_dir():
                raise
            check(store, tier, version, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("%s/%s is in %s", tier, version, target)


def _forget_old(folder: Path) -> None:
    """Delete all but the newest versions."""
    versions = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    versions.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in versions[KEPT:]:
        log.info("Deleting %s", old)
        shutil.rmtree(old, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """What the init container runs; why it failed is the last line of its log."""
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stderr)
    if len(arguments) != 3:
        sys.stderr.write("usage: python -m goldsmith.cluster.model_files TIER VERSION FOLDER\n")
        return 2
    tier, version, folder = arguments
    try:
        place(open_store(os.environ["GOLDSMITH_STORE"]), tier, version, Path(folder))
    except GoldsmithError as error:
        sys.stderr.write(f"model_files: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
