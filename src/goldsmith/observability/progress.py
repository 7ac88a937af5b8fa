"""Progress of a step: JSON lines in a file that the command line tails, and a log line each.

The file is named by the environment variable GOLDSMITH_PROGRESS; without it, only the log speaks.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

VARIABLE = "GOLDSMITH_PROGRESS"
REPEAT_S = 10.0


class Progress:
    """Tells how far one step is; `update` as often as something is done."""

    def __init__(self, step: str) -> None:
        self.step = step
        name = os.environ.get(VARIABLE, "")
        self._path = Path(name) if name else None
        self._last: dict[str, Any] = {}
        self._told = time.monotonic()

    def update(
        self,
        done: int,
        total: int,
        *,
        text: str = "",
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """`done` of `total` units are finished; `text` is for people, `metrics` for the report."""
        line = {
            "step": self.step,
            "done": done,
            "total": total,
            "t": round(time.time(), 3),
            "text": text,
            "metrics": dict(metrics or {}),
        }
        log.info("%s %d/%d %s", self.step, done, total, text)
        self._tell(line)

    def repeat(self) -> None:
        """Tell the last line again if it is `REPEAT_S` old: a part of one unit is done.

        For units that may take minutes, since a run that tells nothing for long is ended.
        """
        if self._last and time.monotonic() - self._told > REPEAT_S:
            self._tell({**self._last, "t": round(time.time(), 3)})

    def _tell(self, line: dict[str, Any]) -> None:
        self._last, self._told = line, time.monotonic()
        if self._path is not None:
            append_line(self._path, line)


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append one JSON line in a single write, so that writers do not mix and a kill tears one."""
    data = (json.dumps(line) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Every whole line of such a file; a torn line is left out, a missing file is empty."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        lines.append(line)
    return lines
