"""Where a run's time went: work that was kept, work that was lost, and start-up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from goldsmith.errors import NotFoundError
from goldsmith.pipeline.manifest import read_run_manifest, step_records
from goldsmith.store.layout import attempts_prefix
from goldsmith.store.object_store import ObjectStore

Lines = Sequence[Mapping[str, Any]]


def ledger(store: ObjectStore, run_id: str) -> dict[str, Any]:
    """Seconds and peak memory by step, and totals: wall, kept, lost, other (start-up, checks)."""
    manifest = read_run_manifest(store, run_id) or {}
    steps = manifest.get("steps") or step_records(store, run_id)
    attempts = [
        {"attempt": number, "seconds": _span(lines), "lost_s": lost(lines)}
        for number, lines in read_attempts(store, run_id)
    ]
    kept = sum(step["seconds"] for step in steps.values())
    gone = sum(attempt["lost_s"] for attempt in attempts)
    wall = manifest.get("seconds") or sum(attempt["seconds"] for attempt in attempts)
    return {
        "run_id": run_id,
        "steps": {
            name: {key: step[key] for key in ("seconds", "peak_memory_mb")}
            for name, step in steps.items()
        },
        "attempts": attempts,
        "wall_s": round(wall, 1),
        "kept_s": round(kept, 1),
        "lost_s": round(gone, 1),
        "other_s": round(max(0.0, wall - kept - gone), 1),
    }


def read_attempts(store: ObjectStore, run_id: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The progress lines of each attempt, oldest first; torn lines are left out."""
    prefix = attempts_prefix(run_id)
    names = {key.removeprefix(prefix).partition("/")[0] for key in store.list(prefix)}
    for number in sorted(int(name) for name in names if name.isdigit()):
        try:
            data = store.get(f"{prefix}{number}/progress.jsonl")
        except NotFoundError:
            data = b""
        yield number, list(_lines(data))


def lost(lines: Lines) -> float:
    """Seconds that steps of one attempt ran without being finished, up to its last sign of life."""
    began: dict[str, float] = {}
    for line in lines:
        if line.get("event") == "started":
            began[line["step"]] = line["t"]
        elif line.get("event") == "finished":
            began.pop(line["step"], None)
    last = max((float(line["t"]) for line in lines), default=0.0)
    return round(sum(last - start for start in began.values()), 1)


def _span(lines: Lines) -> float:
    return round(lines[-1]["t"] - lines[0]["t"], 1) if lines else 0.0


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    for text in data.splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            continue
