"""A strict reader of safetensors headers, and a check that every weight is finite.

Format: 8 bytes little-endian header length, the header (JSON), then the tensors' bytes. The Rust
library tolerates what parsers disagree on (duplicate keys, say); here it is refused. No torch.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from goldsmith.registry.documents import parse_json, refused

LONGEST_HEADER = 100_000_000
_PIECE = 1 << 22

# Bytes of an element, and for floating types the exponent bits that are all set in NaN and infinity
_TYPES: dict[str, tuple[int, int]] = {
    "BOOL": (1, 0),
    "U8": (1, 0),
    "I8": (1, 0),
    "U16": (2, 0),
    "I16": (2, 0),
    "U32": (4, 0),
    "I32": (4, 0),
    "U64": (8, 0),
    "I64": (8, 0),
    "F8_E4M3": (1, 0x7F),  # has no infinity; only the all-ones pattern is NaN
    "F8_E5M2": (1, 0x7C),
    "F16": (2, 0x7C00),
    "BF16": (2, 0x7F80),
    "F32": (4, 0x7F80_0000),
    "F64": (8, 0x7FF0_0000_0000_0000),
}


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors header; offsets count from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def check_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; ArtefactError says what is wrong with it."""
    start, header = _read_header(path)
    if not isinstance(header.pop("__metadata__", {}), dict):
        raise refused(path, "__metadata__ is not an object")
    tensors = {name: _tensor(path, name, entry) for name, entry in header.items()}
    _check_cover(path, list(tensors.values()), size=path.stat().st_size - start)
    for tensor in tensors.values():
        _check_finite(path, tensor, start)
    if zipfile.is_zipfile(path):
        raise refused(path, "it is also a zip archive")
    return tensors


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Where the tensors start, and the header."""
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise refused(path, "it is shorter than a header length")
        (length,) = struct.unpack("<Q", prefix)
        if length > LONGEST_HEADER:
            raise refused(
                path, f"its header would have {length} bytes; this is no safetensors file"
            )
        data = file.read(length)
    if len(data) < length:
        raise refused(path, "it ends inside its header")
    if not data.startswith(b"{"):
        raise refused(path, "its header does not start with '{'")
    header = parse_json(data, path=path)
    if not isinstance(header, dict) or not header:
        raise refused(path, "its header names no tensor")
    return 8 + length, header


def _tensor(path: Path, name: str, entry: object) -> Tensor:
    """Check one entry on its own: keys, types, and that shape and dtype give the byte length."""
    if not name or len(name) > 512 or not name.isprintable() or not name.isascii():
        raise refused(path, f"tensor name {name[:80]!r} is odd")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise refused(path, f"tensor {name} has other keys than dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise refused(path, f"tensor {name} has the unknown dtype {str(dtype)[:40]!r}")
    if not _counts(shape) or len(shape) > 8 or not _counts(offsets) or len(offsets) != 2:
        raise refused(path, f"tensor {name} has a shape or offsets that are no natural numbers")
    begin, end = offsets
    if end - begin != prod(shape) * _TYPES[dtype][0]:
        raise refused(path, f"tensor {name}: {end - begin} bytes do not fit {dtype}{shape}")
    return Tensor(name, dtype, tuple(shape), begin, end)


def _counts(values: object) -> bool:
    """Whether this is a list of natural numbers (a bool is none) that fit 63 bits."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 1 << 63 for value in values
    )


def _check_cover(path: Path, tensors: list[Tensor], *, size: int) -> None:
    """The tensors must cover the buffer once: no overlap, no gap, nothing behind the last."""
    spans = sorted((tensor.begin, tensor.end, tensor.name) for tensor in tensors)
    if spans[0][0] != 0:
        raise refused(path, f"there are bytes before the first tensor {spans[0][2]}")
    for (_, end, name), (begin, _, following) in pairwise(spans):
        if end != begin:
            verb = "overlap" if begin < end else "leave a gap"
            raise refused(path, f"tensors {name} and {following} {verb}")
    if spans[-1][1] != size:
        raise refused(path, f"its tensors end at byte {spans[-1][1]} of {size}")


def _check_finite(path: Path, tensor: Tensor, start: int) -> None:
    """Refuse NaN and infinity by their bits, in pieces, whatever the dtype."""
    width, exponent = _TYPES[tensor.dtype]
    if not exponent or tensor.begin == tensor.end:
        return
    count = (tensor.end - tensor.begin) // width
    mask = np.array(exponent, dtype=f"<u{width}")
    with path.open("rb") as file:
        file.seek(start + tensor.begin)
        for done in range(0, count, _PIECE):
            bits = np.fromfile(file, dtype=f"<u{width}", count=min(_PIECE, count - done))
            if np.any((bits & mask) == mask):
                raise refused(path, f"tensor {tensor.name} holds NaN or infinity")
