"""A directory of files in the store, committed by its manifest and verified when fetched.

Files first, `manifest.json` last: before the manifest there is nothing. A file that a killed or
late writer left under the same name with other bytes is neither trusted nor touched; ours then goes
to a name that holds its hash, and the manifest says so in `key`. So the same commit again mends a
damaged one: its manifest is swapped for one that points to whole files.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldsmith.errors import ConflictError, IntegrityError, StoreError
from goldsmith.store.manifest import digest_of, file_sha256, seal, unseal
from goldsmith.store.object_store import ObjectStore, check_key

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_RESERVED = "manifest.json is refused, a commit writes its own"


def commit_directory(
    store: ObjectStore,
    prefix: str,
    directory: Path,
    *,
    kind: str,
    meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Upload every file, then the manifest, and return it; ConflictError if `prefix` is taken.

    Doing it twice with the same files and `meta` is one commit, and mends what is damaged of it.
    """
    prefix = prefix.rstrip("/")
    files = describe_directory(directory)
    if clash := {"kind", "digest", "files", "sha256"} & set(meta):
        raise StoreError(f"cannot commit {prefix}", why=f"meta may not hold {sorted(clash)}")
    for name, entry in files.items():
        _upload(store, prefix, directory / name, entry, name=name)
    digest = digest_of({name: entry["sha256"] for name, entry in files.items()})
    manifest = seal({**meta, "kind": kind, "digest": digest, "files": files})
    try:
        store.create(f"{prefix}/{MANIFEST}", manifest)
    except ConflictError:
        _mend(store, prefix, manifest)
    return unseal(manifest, key=f"{prefix}/{MANIFEST}")


def fetch_directory(store: ObjectStore, prefix: str, directory: Path) -> dict[str, Any]:
    """Download a committed directory and return its manifest; IntegrityError names a bad file."""
    manifest = read_manifest(store, prefix)
    for name, entry in manifest["files"].items():
        path = directory / check_key(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(file_key(manifest, prefix, name), path)
        if file_sha256(path) != entry["sha256"]:
            path.unlink()
            raise _damaged(store, prefix, name)
    return manifest


def fetch_file(store: ObjectStore, prefix: str, name: str) -> bytes:
    """The verified bytes of one file of a committed directory."""
    manifest = read_manifest(store, prefix)
    data = store.get(file_key(manifest, prefix, name))
    if hashlib.sha256(data).hexdigest() != manifest["files"][name]["sha256"]:
        raise _damaged(store, prefix, name)
    return data


def read_manifest(store: ObjectStore, prefix: str) -> dict[str, Any]:
    """The manifest of a committed directory; NotFoundError if there is no such commit."""
    key = f"{prefix.rstrip('/')}/{MANIFEST}"
    return unseal(store.get(key), key=f"{store.url}/{key}")


def file_key(manifest: Mapping[str, Any], prefix: str, name: str) -> str:
    """The key that holds the file `name` of a committed directory."""
    return f"{prefix.rstrip('/')}/{manifest['files'][name].get('key', name)}"


def describe_directory(directory: Path) -> dict[str, dict[str, Any]]:
    """Name to {sha256, size} of every file below `directory`; links and odd names are refused."""
    paths = _plain_files(directory)
    if MANIFEST in paths:
        raise StoreError(f"cannot commit {paths[MANIFEST]}", why=_RESERVED)
    return {
        name: {"sha256": file_sha256(path), "size": path.stat().st_size}
        for name, path in paths.items()
    }


def digest_directory(directory: Path) -> str:
    """The digest that `commit_directory` would give these files: names and bytes, no meta.

    The manifest of an exported directory does not count, so that a copy has its origin's digest.
    """
    paths = _plain_files(directory)
    paths.pop(MANIFEST, None)
    return digest_of({name: file_sha256(path) for name, path in paths.items()})


def _plain_files(directory: Path) -> dict[str, Path]:
    """Name to path of every file below `directory`; links and odd names are refused."""
    if not directory.is_dir():
        raise StoreError(f"{directory} is not a directory")
    files = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            raise StoreError(f"{path} is refused", why="it is a link")
        if path.is_file():
            files[check_key(path.relative_to(directory).as_posix())] = path
    return files


def _upload(
    store: ObjectStore, prefix: str, path: Path, entry: dict[str, Any], *, name: str
) -> None:
    try:
        store.upload(f"{prefix}/{name}", path)
    except ConflictError:
        entry["key"] = f"other/{entry['sha256']}/{name}"
        log.warning("%s/%s is another writer's; ours goes to %s", prefix, name, entry["key"])
        store.upload(f"{prefix}/{entry['key']}", path)


def _mend(store: ObjectStore, prefix: str, ours: bytes) -> None:
    """Swap the manifest for ours if it commits the same, or is itself damaged; else ConflictError.

    Nothing is lost: a damaged manifest is kept beside it, and a damaged file stays where it is.
    """
    key = f"{prefix}/{MANIFEST}"
    theirs, tag = store.get_tagged(key)
    try:
        same = _content(unseal(theirs, key=key)) == _content(unseal(ours, key=key))
    except IntegrityError:
        store.create(f"{prefix}/damaged/{hashlib.sha256(theirs).hexdigest()}", theirs)
        same = True
    if not same:
        raise ConflictError(f"{store.url}/{key} exists with other content")
    log.warning("%s was damaged; it now names whole files", key)
    store.replace(key, ours, tag=tag)


def _content(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest commits, wherever its files lie."""
    files = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    return {**manifest, "files": files, "sha256": ""}


def _damaged(store: ObjectStore, prefix: str, name: str) -> IntegrityError:
    return IntegrityError(
        f"{store.url}/{prefix.rstrip('/')}/{name} is damaged",
        why="its bytes do not match the hash in its manifest",
    )
