"""The run manifest: the truth about a run, whatever the pipeline's own screens say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from goldsmith import __version__
from goldsmith.errors import ConflictError, NotFoundError
from goldsmith.pipeline.runs import STEPS, Run, run_ids
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.steps import read_step

_LOOK_BACK = 20


class Seen(Protocol):
    """What was seen of an attempt from outside."""

    number: int
    step: str
    memory_mb: dict[str, float]


def manifest_key(run_id: str) -> str:
    """Where a run's manifest is kept."""
    return run_key(run_id, "manifest.json")


def read_run_manifest(store: ObjectStore, run_id: str) -> dict[str, Any] | None:
    """The manifest of a run that has ended once, steps in their order, or None."""
    key = manifest_key(run_id)
    try:
        document = unseal(store.get(key), key=f"{store.url}/{key}")
    except NotFoundError:
        return None
    steps = document.get("steps", {})
    return {**document, "steps": {name: steps[name] for name in STEPS if name in steps}}


def write_manifest(
    store: ObjectStore, run: Run, seen: Seen, *, status: str, started: float, cause: str = ""
) -> dict[str, Any]:
    """Write what became of this attempt, over what became of an earlier one; the manifest.

    `status` is `finished`, `failed` or `interrupted`.
    """
    before = read_run_manifest(store, run.run_id) or {}
    steps = step_records(store, run.run_id, memory_mb=_peaks(before, seen.memory_mb))
    document = {
        "kind": "run",
        "goldsmith": __version__,
        **run.context.model_dump(mode="json", exclude={"store"}),
        "status": status,
        "cause": cause,
        "at_step": "" if status == "finished" else seen.step,
        "attempts": seen.number,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(before.get("seconds", 0.0) + time.time() - started, 1),
        "peak_memory_mb": max((step["peak_memory_mb"] for step in steps.values()), default=0.0),
        "steps": steps,
        "verdict": _output(steps, "quality_gate", "verdict"),
        "version": _output(steps, "register", "version"),
        "live": _output(steps, "roll_out", "live"),
        "report": run_key(run.run_id, "report.html"),
    }
    _put(store, manifest_key(run.run_id), seal(document))
    return document


def step_records(
    store: ObjectStore, run_id: str, *, memory_mb: Mapping[str, float] | None = None
) -> dict[str, dict[str, Any]]:
    """The finished steps of a run, in order: digest, outputs, seconds, peak memory."""
    found = {step: read_step(store, run_id, step) for step in STEPS}
    records = {}
    for step, record in found.items():
        if record is None:
            continue
        peak = max(record.get("peak_memory_mb", 0.0), (memory_mb or {}).get(step, 0.0))
        kept = ("digest", "outputs", "started", "ended", "seconds")
        records[step] = {**{key: record.get(key) for key in kept}, "peak_memory_mb": peak}
    return records


def earlier_seconds(store: ObjectStore, run: Run) -> dict[str, float]:
    """How long each step took in the latest finished run of this profile, tier and domain."""
    alike = run.context.model_dump(include={"profile", "tier", "domain"})
    for run_id in reversed(run_ids(store)[-_LOOK_BACK:]):
        manifest = read_run_manifest(store, run_id) or {}
        if manifest.get("status") == "finished" and alike.items() <= manifest.items():
            return {name: step["seconds"] for name, step in manifest["steps"].items()}
    return {}


def _peaks(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """Peak memory by step; one that had finished before keeps what it took to do its work."""
    done = {name: step["peak_memory_mb"] for name, step in before.get("steps", {}).items()}
    return {**now, **done}


def _output(steps: Mapping[str, Any], step: str, key: str) -> str:
    return str(steps.get(step, {}).get("outputs", {}).get(key, ""))


def _put(store: ObjectStore, key: str, data: bytes) -> None:
    """Create, or swap for what is there; under the run's lease nobody else writes it."""
    try:
        store.create(key, data)
    except ConflictError:
        _, tag = store.get_tagged(key)
        store.replace(key, data, tag=tag)
