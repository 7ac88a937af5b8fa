"""Equal keys in a file of any size: (key, number) pairs go to disk and are matched in parts.

Memory is bounded by one part: at 3 million records of 2 GB a part holds under a megabyte.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

PARTS = 64
FLUSH = 4096
"""Bytes of a part kept before they are written."""


class KeyLog:
    """Remembers which 8-byte key belongs to which number (of a record)."""

    def __init__(self) -> None:
        self._files: list[BinaryIO | None] = [None] * PARTS
        self._kept = [bytearray() for _ in range(PARTS)]

    def add(self, key: bytes, number: int) -> None:
        """Note one pair; the key has 8 bytes."""
        part = key[0] % PARTS
        kept = self._kept[part]
        kept += key
        kept += number.to_bytes(8, "little")
        if len(kept) >= FLUSH:
            self._flush(part)

    def groups(self) -> Iterator[list[int]]:
        """The numbers that share a key, rising; only groups of two or more."""
        for part in range(PARTS):
            pairs = self._pairs(part)
            pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
            for start, end in _runs(pairs[:, 0]):
                yield pairs[start:end, 1].tolist()

    def having(self, keys: Iterable[bytes]) -> Iterator[int]:
        """The numbers whose key is one of these."""
        wanted = np.frombuffer(b"".join(keys), dtype="<u8")
        for part in range(PARTS):
            pairs = self._pairs(part)
            yield from (int(n) for n in pairs[np.isin(pairs[:, 0], wanted), 1])

    def _flush(self, part: int) -> None:
        file = self._files[part]
        if file is None:
            file = self._files[part] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - kept
        file.write(self._kept[part])
        self._kept[part].clear()

    def _pairs(self, part: int) -> np.ndarray[Any, Any]:
        """(key, number) rows in the order they were added."""
        data = b""
        if file := self._files[part]:
            file.seek(0)
            data = file.read()
        return np.frombuffer(data + bytes(self._kept[part]), dtype="<u8").reshape(-1, 2)

    def close(self) -> None:
        """Give the disk space back."""
        for file in self._files:
            if file:
                file.close()


def _runs(values: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    """(start, end) of each run of two or more equal values."""
    edges = np.flatnonzero(np.diff(values)) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(values))
    long = ends - starts > 1
    return list(zip(starts[long].tolist(), ends[long].tolist(), strict=True))
