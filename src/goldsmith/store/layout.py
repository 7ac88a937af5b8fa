"""Where a run's objects are in the store: one list for writers, readers and `--dry-run`."""

from __future__ import annotations

from typing import Literal

RunDocument = Literal[
    "config.json",
    "lease.json",
    "validation.json",
    "readiness.json",
    "scores.json",
    "gate.json",
    "manifest.json",
    "report.html",
]
"""Every single document of a run."""
Stage = Literal["train_srl", "train_rlvr"]


def run_key(run_id: str, name: RunDocument) -> str:
    """Where a document of a run is kept."""
    return f"runs/{run_id}/{name}"


def attempts_prefix(run_id: str) -> str:
    """Below it, `<n>/` holds the log and the progress of attempt n."""
    return f"runs/{run_id}/attempts/"


def metrics_key(run_id: str, stage: Stage) -> str:
    """One line an update of a stage, whichever attempts made them."""
    return f"runs/{run_id}/metrics/{stage}.jsonl"


def stage_prefix(run_id: str, stage: Stage) -> str:
    """Below it are the checkpoints and the result of a training stage."""
    return f"checkpoints/{run_id}/{stage}/"
