"""The collector's local log: what `append` returned for is on the disk, whatever happens next.

One directory, one process (a lock says so). Records go to the open segment; a closed segment never
changes, waits to be sealed into the store, and is then removed. After a failed write or sync the
segment is cut back to what was synced before; if even that fails, it is closed as it is, and
its whole records still count: they were never acknowledged, but they are true.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from goldsmith.errors import ConflictError, StoreError
from goldsmith.serving.traces.frames import framed, parse

log = logging.getLogger(__name__)

SEGMENT_BYTES = 16 << 20
"""A segment that has grown so large is closed early."""
SUFFIX = ".log"
_NAME = "%Y%m%dT%H%M%S"


@dataclass
class Segment:
    """The open segment."""

    path: Path
    descriptor: int
    opened: float
    """Seconds since 1970."""
    size: int = 0
    """Bytes that are synced."""


class Journal:
    """Appends records durably and keeps the segments until they are removed."""

    def __init__(self, directory: Path, *, max_disk_bytes: int, seal_s: float) -> None:
        self._directory, self._max, self._seal_s = directory, max_disk_bytes, seal_s
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(directory)
        self._open: Segment | None = None
        self._closed = {path: _recover(path) for path in sorted(directory.glob(f"*{SUFFIX}"))}
        self._closed = {path: size for path, size in self._closed.items() if size}
        # It is replaced and never changed, since other threads read it.

    @property
    def disk_bytes(self) -> int:
        """What the segments take."""
        return sum(self._closed.values()) + (self._open.size if self._open else 0)

    @property
    def unsealed(self) -> int:
        """How many segments wait for the store, the open one included."""
        return len(self._closed) + (self._open is not None)

    def append(self, records: Sequence[bytes]) -> None:
        """Write and sync; StoreError: none of them is kept, and the log is as before."""
        data = framed(records)
        if self.disk_bytes + len(data) > self._max:
            raise StoreError(
                f"the trace log in {self._directory} is full",
                why=f"{self.disk_bytes} of {self._max} bytes wait to be sealed into the store",
                fix="see that the store can be reached",
            )
        try:
            self._write(self._open or self._begin(), data)
        except OSError as error:
            raise StoreError(
                f"the trace log in {self._directory} cannot be written",
                why=error.strerror or str(error),
            ) from error

    def _write(self, segment: Segment, data: bytes) -> None:
        try:
            _write_all(segment.descriptor, data)
            os.fsync(segment.descriptor)
        except BaseException:
            self._cut_back(segment)
            raise
        segment.size += len(data)

    def rotate(self, *, now: float, force: bool = False) -> None:
        """Close the open segment if it is old or large enough."""
        segment = self._open
        if segment and (
            force or now - segment.opened >= self._seal_s or segment.size >= SEGMENT_BYTES
        ):
            self._close(segment)

    def closed(self) -> list[Path]:
        """Segments that never change any more, oldest first."""
        return sorted(self._closed)

    def remove(self, path: Path) -> None:
        """Forget a segment that lies in the store."""
        path.unlink(missing_ok=True)
        self._closed = {each: size for each, size in self._closed.items() if each != path}

    def close(self) -> None:
        """Close the open segment and give the directory free."""
        self.rotate(now=0.0, force=True)
        os.close(self._lock)

    def _begin(self) -> Segment:
        now = time.time()
        stamp = datetime.fromtimestamp(now, UTC).strftime(_NAME)
        path = self._directory / f"{stamp}-{secrets.token_hex(4)}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        segment = Segment(path, os.open(path, flags, 0o600), now)
        try:
            _sync_directory(self._directory)
        except OSError:
            self._close(segment)
            raise
        self._open = segment
        return segment

    def _cut_back(self, segment: Segment) -> None:
        try:
            os.ftruncate(segment.descriptor, segment.size)
            os.fsync(segment.descriptor)
        except OSError:
            log.warning("%s cannot be cut back; it is closed", segment.path.name)
            self._close(segment)

    def _close(self, segment: Segment) -> None:
        os.close(segment.descriptor)
        self._open = None
        if segment.size:
            self._closed = {**self._closed, segment.path: segment.size}
        else:
            with contextlib.suppress(OSError):
                segment.path.unlink(missing_ok=True)


def read_segment(path: Path) -> tuple[bytes, ...]:
    """The whole records of a segment."""
    return parse(path.read_bytes()).records


def opened_at(segment: str) -> datetime:
    """When a segment was begun; its name says so."""
    return datetime.strptime(segment.partition("-")[0], _NAME).replace(tzinfo=UTC)


def _recover(path: Path) -> int:
    """Cut a torn tail off a segment that a killed process left; its size, 0 if it was empty."""
    data = path.read_bytes()
    parsed = parse(data)
    if parsed.damaged:
        log.warning("%s: %d bytes are damaged and lost", path, parsed.damaged)
    if not parsed.records:
        path.unlink()
        return 0
    if parsed.end < len(data):
        log.info("%s: a torn tail of %d bytes is cut off", path.name, len(data) - parsed.end)
        os.truncate(path, parsed.end)
    return parsed.end


def _locked(directory: Path) -> int:
    """The lock of the directory; ConflictError if another collector has it."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConflictError(
            f"{directory} is in use", why="another trace collector writes there"
        ) from error
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
