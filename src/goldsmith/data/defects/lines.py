"""Bytes to lines of text: encoding, line ends, length. Memory is bounded by the longest line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from goldsmith.data.defects.catalogue import Problem

MAX_LINE = 2**22
"""Bytes of one record."""
BOM = b"\xef\xbb\xbf"
CONTROLS = bytes(range(32)).translate(None, b"\t\n\r") + b"\x7f"
"""Control characters that JSON text holds neither raw nor between values."""
_DELETE_CONTROLS = bytes.maketrans(b"", b""), CONTROLS


@dataclass(frozen=True)
class Line:
    """One line of a file, without its end."""

    number: int
    """1-based."""
    offset: int
    """Where it begins, in bytes."""
    text: str | None
    """None if there is nothing to read."""
    problems: tuple[Problem, ...]


@dataclass
class LineReader:
    """Reads a file once; afterwards `sha256` and `lines` are those of the whole file."""

    path: Path
    sha256: str = ""
    lines: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Line]:
        """Every line with what is wrong with its bytes."""
        digest, offset = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            while data := file.readline(MAX_LINE + 1):
                size, rest = len(data), data
                digest.update(data)
                while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
                    digest.update(rest)
                    size += len(rest)
                self.lines += 1
                yield read_line(data, self.lines, offset, size=size)
                offset += size
        self.sha256 = digest.hexdigest()


def read_line(data: bytes, number: int, offset: int, *, size: int) -> Line:
    """The line in `data`, of which `size` bytes were in the file."""
    problems: list[Problem] = []
    if size > MAX_LINE:
        problems.append(("overlong-line", f"{size} bytes, more than {MAX_LINE}"))
        return Line(number, offset, None, tuple(problems))
    if not data.endswith(b"\n"):
        problems.append(("truncated-file", "the last line has no line feed"))
    if number == 1 and data.startswith(BOM):
        problems.append(("byte-order-mark", "the file begins with EF BB BF"))
        data = data.removeprefix(BOM)
    data = data.removesuffix(b"\n")
    if data.endswith(b"\r"):
        problems.append(("carriage-return", "the line ends with CR LF"))
    if len(data.translate(*_DELETE_CONTROLS)) != len(data):
        problems.append(("control-characters", "the line holds raw control bytes"))
        data = data.translate(*_DELETE_CONTROLS)
    if not data.strip():
        return Line(number, offset, None, (*problems, ("blank-line", "the line is empty")))
    return Line(number, offset, _decoded(data, problems), tuple(problems))


def _decoded(data: bytes, problems: list[Problem]) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        problems.append(("invalid-utf8", f"{error.reason} at byte {error.start} of the line"))
        return None
