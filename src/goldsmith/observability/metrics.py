"""Training metrics as JSON lines: `metrics.jsonl`, one dict a step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldsmith.observability.progress import append_line, read_lines


class MetricsWriter:
    """Appends to one metrics file; its folder is made when needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, metrics: Mapping[str, Any]) -> None:
        """Append one step's metrics (keys as in conventions: `reward`, `time/step`)."""
        append_line(self.path, metrics)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every step's metrics, in order; a line torn by a kill is left out."""
    return read_lines(path)
