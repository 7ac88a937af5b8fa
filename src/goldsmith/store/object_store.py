"""The one object store: what every back end promises, and how a URL opens one.

Nothing is overwritten in place. `create` commits only if the key is new (S3: `If-None-Match: *`),
`replace` only if the object is still the one that was read (S3: `If-Match`). A lost reply is told
from a lost race by the bytes: identical bytes mean that the write is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from goldsmith.errors import StoreError

_SEGMENT = re.compile(r"[A-Za-z0-9_@+=,~()\[\] %-][A-Za-z0-9._@+=,~()\[\] %-]*")
_LONGEST_KEY = 900  # S3 allows 1024 bytes, of which a prefix takes some


class ObjectStore(Protocol):
    """Keys to bytes; keys are relative and `/`-separated, and no part starts with a dot."""

    url: str

    def get(self, key: str) -> bytes:
        """The bytes of `key`; NotFoundError if there are none."""

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The bytes of `key` and the tag that `replace` wants; NotFoundError."""

    def create(self, key: str, data: bytes) -> None:
        """Write a new object; ConflictError if it exists with other bytes."""

    def replace(self, key: str, data: bytes, *, tag: str) -> None:
        """Swap the object if it is still the tagged one; ConflictError if that is lost."""

    def list(self, prefix: str) -> Iterator[str]:
        """Every key that starts with `prefix`, sorted."""

    def exists(self, key: str) -> bool:
        """Whether `key` has an object."""

    def delete(self, key: str) -> None:
        """Remove `key`; a key that is not there is no error."""

    def upload(self, key: str, path: Path) -> None:
        """`create` from a file, without holding it in memory."""

    def download(self, key: str, path: Path) -> None:
        """Write the object to a file, which appears whole or not at all."""


def check_key(key: str) -> str:
    """Return `key` if it is plain; StoreError for '..', absolute, hidden or odd ones."""
    parts = key.split("/")
    if len(key) <= _LONGEST_KEY and all(_SEGMENT.fullmatch(part) for part in parts):
        return key
    raise StoreError(
        f"key {key[:120]!r} is refused",
        why="a key is relative, printable ASCII, and no part of it is empty or starts with a dot",
    )


def check_prefix(prefix: str) -> str:
    """Return `prefix` if some key can start with it."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def open_store(url: str) -> ObjectStore:
    """The store at `url`: a directory path or `s3://bucket/prefix`."""
    if url.startswith("s3://"):
        from goldsmith.store.s3_store import S3Store  # boto3 takes 0.6 s to import

        return S3Store(url)
    if "://" in url or not url.strip():
        raise StoreError(
            f"store {url!r} cannot be opened",
            fix="give a directory or s3://bucket/prefix",
        )
    from goldsmith.store.directory_store import DirectoryStore

    return DirectoryStore(Path(url).expanduser())
