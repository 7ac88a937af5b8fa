"""Records in a file: a mark, length and CRC-32 before each, so that a torn or bad one is told.

After a bad one the next whole record is looked for, so damage costs only what it hit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

MARK = b"\xf5GT1"
"""No UTF-8 text holds its first byte."""
_HEAD = struct.Struct("<4sII")


def framed(records: Iterable[bytes]) -> bytes:
    """The bytes that are appended for these records."""
    return b"".join(_HEAD.pack(MARK, len(data), zlib.crc32(data)) + data for data in records)


@dataclass(frozen=True)
class Parsed:
    """What a file holds."""

    records: tuple[bytes, ...]
    end: int
    """Where the last whole record ends; what follows is a torn tail."""
    damaged: int
    """Bytes before `end` that belong to no whole record."""


def parse(data: bytes) -> Parsed:
    """Every whole record, in order."""
    records: list[bytes] = []
    at = end = damaged = 0
    while at < len(data):
        if (record := _record(data, at)) is not None:
            damaged += at - end
            records.append(record)
            at = end = at + _HEAD.size + len(record)
        elif (at := data.find(MARK, at + 1)) < 0:
            break
    return Parsed(tuple(records), end, damaged)


def _record(data: bytes, at: int) -> bytes | None:
    """The record that begins here; None if none does, or not a whole one."""
    if len(data) - at < _HEAD.size:
        return None
    mark, length, checksum = _HEAD.unpack_from(data, at)
    record = data[at + _HEAD.size : at + _HEAD.size + length]
    if mark != MARK or len(record) != length or zlib.crc32(record) != checksum:
        return None
    return record
