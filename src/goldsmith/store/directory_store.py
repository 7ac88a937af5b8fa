"""The store on a local directory, with the conditional writes of S3.

A write goes to a temporary file under `.tmp/`, is synced, and then linked to its name: `os.link`
fails if the name exists, so of two writers one wins. `replace` and `delete` hold a lock file under
`.locks/`. No key starts with a dot, so neither folder is ever listed, and what a killed writer left
there does no harm.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from goldsmith.errors import ConflictError, NotFoundError, StoreError
from goldsmith.store.manifest import file_sha256
from goldsmith.store.object_store import check_key, check_prefix

_FIXES = {
    errno.ENOSPC: "free some disk space or give another --store",
    errno.EDQUOT: "free some disk space or give another --store",
    errno.EROFS: "the store is read-only; give a --store that can be written",
    errno.EACCES: "the store may not be written by this user; give another --store",
    errno.EPERM: "the store may not be written by this user; give another --store",
    errno.ENOTDIR: "the store must be a directory, and no key may be the folder of another",
    errno.EEXIST: "no key may be the folder of another",
    errno.EISDIR: "no key may be the folder of another",
}


class DirectoryStore:
    """An `ObjectStore` whose objects are files under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.url = str(self.root)
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"store {self.root} is a file", fix="give a directory")

    def get(self, key: str) -> bytes:
        """The bytes of `key`; NotFoundError if there are none."""
        with self._boundary("read", key):
            return self._path(key).read_bytes()

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The bytes of `key` and their sha256, which is the tag."""
        data = self.get(key)
        return data, hashlib.sha256(data).hexdigest()

    def create(self, key: str, data: bytes) -> None:
        """Write a new object; ConflictError if it exists with other bytes."""
        with self._boundary("write", key), self._temporary() as temporary:
            _write(temporary, data)
            if not self._link(temporary, key) and self.get(key) != data:
                raise ConflictError(f"{self.url}/{key} exists with other content")

    def replace(self, key: str, data: bytes, *, tag: str) -> None:
        """Swap the object if it is still the tagged one; ConflictError if that is lost."""
        with (
            self._boundary("write", key),
            self._temporary() as temporary,
            self._lock(key),
        ):
            if not self.exists(key):
                raise ConflictError(f"{self.url}/{key} was deleted meanwhile")
            current, found = self.get_tagged(key)
            if current == data:
                return
            if found != tag:
                raise ConflictError(f"{self.url}/{key} was changed meanwhile")
            _write(temporary, data)
            os.replace(temporary, self._path(key))
            _sync_directory(self._path(key).parent)

    def list(self, prefix: str) -> Iterator[str]:
        """Every key that starts with `prefix`, sorted."""
        folder = self.root / check_prefix(prefix).rpartition("/")[0]
        keys = []
        with self._boundary("list", prefix):
            for parent, folders, names in os.walk(folder, onerror=_refuse_unreadable):
                folders[:] = [name for name in folders if not name.startswith(".")]
                base = Path(parent).relative_to(self.root)
                keys += [(base / name).as_posix() for name in names if not name.startswith(".")]
        yield from sorted(key for key in keys if key.startswith(prefix))

    def exists(self, key: str) -> bool:
        """Whether `key` has an object."""
        with self._boundary("read", key):
            return self._path(key).is_file()

    def delete(self, key: str) -> None:
        """Remove `key`; a key that is not there is no error."""
        if not self.exists(key):
            return
        with self._boundary("delete", key), self._lock(key):
            self._path(key).unlink(missing_ok=True)

    def upload(self, key: str, path: Path) -> None:
        """`create` from a file, without holding it in memory."""
        with (
            path.open("rb") as source,
            self._boundary("write", key),
            self._temporary() as temporary,
        ):
            with temporary.open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                _sync(target)
            if not self._link(temporary, key) and file_sha256(self._path(key)) != file_sha256(path):
                raise ConflictError(f"{self.url}/{key} exists with other content")

    def download(self, key: str, path: Path) -> None:
        """Write the object to a file, which appears whole or not at all."""
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with self._boundary("read", key):
            try:
                shutil.copyfile(self._path(key), temporary)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _link(self, temporary: Path, key: str) -> bool:
        """Give the file its name; False if the name was taken."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        _sync_directory(path.parent)
        return True

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        folder = self.root / ".tmp"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / hashlib.sha256(key.encode()).hexdigest()[:16]).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes, also by a kill
            yield

    @contextmanager
    def _boundary(self, verb: str, key: str) -> Iterator[None]:
        """Turn the system's errors into StoreErrors that name the object."""
        try:
            yield
        except StoreError:
            raise
        except FileNotFoundError as error:
            raise NotFoundError(f"no {key} in {self.url}", why=str(error.strerror)) from error
        except OSError as error:
            what = f"cannot {verb} {key or 'keys'} in {self.url}"
            fix = _FIXES.get(error.errno or 0, "")
            raise StoreError(what, why=error.strerror or str(error), fix=fix) from error


def _refuse_unreadable(error: OSError) -> None:
    """A folder that is not there has no keys; any other trouble must not shorten a list."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
