"""A step's work is done once: its record in the store says so, and what came out.

`runs/<run_id>/steps/<step>.json` is created when the work is done, under a digest of step, inputs
and code version. So retry, resume and re-run are one thing: ask the record.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from goldsmith import __version__
from goldsmith.config.run import RunContext
from goldsmith.errors import ConflictError, NotFoundError, RunError
from goldsmith.store.manifest import canonical, digest_of, seal, unseal
from goldsmith.store.object_store import ObjectStore, open_store

log = logging.getLogger(__name__)

Work = Callable[[], Mapping[str, Any]]


def once(run: RunContext, step: str, inputs: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """The outputs of `step` of this run: recorded ones, or those of `work`, which get recorded.

    RunError if the step was done with other inputs, ConflictError if two workers of the same step
    got different outputs.
    """
    store = open_store(run.store)
    digest = digest_of({"step": step, "inputs": dict(inputs), "code": __version__})
    if record := read_step(store, run.run_id, step):
        log.info("Step %s is done already", step)
        return _outputs(record, run=run, step=step, digest=digest)
    facts = {"kind": "step", "run_id": run.run_id, "step": step, "digest": digest}
    document = _timed(work, {**facts, "inputs": dict(inputs)})
    return _record(store, run, step, document)


def read_step(store: ObjectStore, run_id: str, step: str) -> dict[str, Any] | None:
    """The record of a finished step: digest, outputs, started, ended, seconds, peak_memory_mb."""
    key = step_key(run_id, step)
    try:
        return unseal(store.get(key), key=f"{store.url}/{key}")
    except NotFoundError:
        return None


def step_key(run_id: str, step: str) -> str:
    """Where the record of a step is kept."""
    return f"runs/{run_id}/steps/{step}.json"


def _timed(work: Work, document: dict[str, Any]) -> dict[str, Any]:
    """Do the work; add its outputs, when, how long and the peak memory so far (MB)."""
    started, clock = _now(), time.monotonic()
    outputs = dict(work())
    return {
        **document,
        "code": __version__,
        "outputs": outputs,
        "started": started,
        "ended": _now(),
        "seconds": round(time.monotonic() - clock, 3),
        "peak_memory_mb": _peak_memory_mb(),
    }


def _record(
    store: ObjectStore, run: RunContext, step: str, document: Mapping[str, Any]
) -> dict[str, Any]:
    """Create the record; if another worker was first, its outputs must be ours."""
    outputs = document["outputs"]
    try:
        store.create(step_key(run.run_id, step), seal(document))
    except ConflictError:
        record = read_step(store, run.run_id, step) or {}
        theirs = _outputs(record, run=run, step=step, digest=str(document["digest"]))
        if canonical(theirs) != canonical(outputs):
            raise ConflictError(
                f"step {step} of run {run.run_id} was done twice with different outputs",
                fix="the first one counts; resume the run",
            ) from None
    return dict(outputs)


def _outputs(
    record: Mapping[str, Any], *, run: RunContext, step: str, digest: str
) -> dict[str, Any]:
    if record.get("digest") == digest:
        return dict(record["outputs"])
    raise RunError(
        f"step {step} of run {run.run_id} was done with another configuration, input or version",
        fix="resume with the configuration that is saved with the run, or start a new run",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _peak_memory_mb() -> float:
    """The largest resident set of this process or of a child that has ended (Linux: KiB)."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(who).ru_maxrss for who in whose) / 1024, 1)
