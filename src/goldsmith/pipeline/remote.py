"""A run whose steps are pods: they write down themselves what `execute.py` sees of a local run.

Nobody watches all steps on a cluster, and whoever submitted the run may have gone. So the first
step makes sure of the bases, a step that fails writes the run's manifest, and the last one writes
manifest and report.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from goldsmith.config.load import load_config, validate_config
from goldsmith.config.run import RunContext
from goldsmith.errors import GoldsmithError, RunError
from goldsmith.pipeline.failures import explain
from goldsmith.pipeline.manifest import read_run_manifest, write_manifest
from goldsmith.pipeline.runs import STEPS, Run, config_key, default_threads, load_run, save_run
from goldsmith.registry.bases import ensure_bases
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import read_step

log = logging.getLogger(__name__)


@dataclass
class _Seen:
    """What a step knows of the attempt that it is part of."""

    number: int
    step: str
    memory_mb: dict[str, float] = field(default_factory=dict)


def prepare(context: RunContext) -> None:
    """What `goldsmith run` does before its first step; doing it again changes nothing."""
    ensure_bases(open_store(context.store))


def note_failure(context: RunContext, step: str, cause: str) -> None:
    """Write into the run's manifest that `step` failed, and of what.

    That this cannot be written is only logged: it must not hide the cause.
    """
    told = f"{step} failed: {cause}"
    try:
        _write(open_store(context.store), context, step, status="failed", cause=told)
    except GoldsmithError as error:
        log.warning("The run's manifest could not be written: %s", explain(error))


def note_end(context: RunContext) -> None:
    """Write manifest and report of a run whose last step is done."""
    from goldsmith.pipeline.report import write_report  # imports numpy

    store = open_store(context.store)
    _write(store, context, STEPS[-1], status="finished")
    write_report(store, context.run_id)


def _write(
    store: ObjectStore, context: RunContext, step: str, *, status: str, cause: str = ""
) -> None:
    run = _saved(store, context)
    before = read_run_manifest(store, run.run_id) or {}
    seen = _Seen(before.get("attempts", 0) + 1, step)
    started = _first_start(store, run.run_id) + before.get("seconds", 0.0)  # it adds those again
    write_manifest(store, run, seen, status=status, started=started, cause=cause)


def _saved(store: ObjectStore, context: RunContext) -> Run:
    """The saved run; one that nobody saved (`kfp run create`) is saved as its steps tell of it."""
    if not store.exists(config_key(context.run_id)):
        values = load_config(context.profile).model_dump(mode="json")
        values |= context.model_dump(mode="json", include={"domain", "tier", "seed"})
        for step in STEPS:
            if record := read_step(store, context.run_id, step):
                values[step.removeprefix("train_")] = record["inputs"]["config"]
        with contextlib.suppress(RunError):  # another step was first
            save_run(store, Run(context, validate_config(values), default_threads()))
    return load_run(store, context.run_id)


def _first_start(store: ObjectStore, run_id: str) -> float:
    """When the first step began (Unix time); now if none has finished."""
    for step in STEPS:
        record: dict[str, Any] | None = read_step(store, run_id, step)
        if record:
            return datetime.fromisoformat(record["started"]).timestamp()
    return time.time()
