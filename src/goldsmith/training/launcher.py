"""Starts training jobs outside the pipeline's process; the seam between laptop and cluster.

The `local` back end is torchrun in its own process group on this machine; the `pytorchjob` back end
(`cluster/launcher.py`) is behind the same interface. A job names everything by the store, so that
its result is read from there and never from the process or the pod.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from goldsmith.errors import TrainingError
from goldsmith.observability.lifeline import VARIABLE, Lifeline
from goldsmith.training.failure import cause
from goldsmith.training.job import TrainingJob, is_done, save_job
from goldsmith.training.torchrun import ENVIRONMENT, SCRATCH, command

log = logging.getLogger(__name__)

CLUSTER = "GOLDSMITH_CLUSTER"
"""Names the cluster's ConfigMap, or a file; set in the images, and nowhere else."""


KEPT_HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""glibc keeps what tensors free and faults no page in again: a tenth of the time."""


class Launcher(Protocol):
    """Runs a job to its end."""

    def launch(self, job: TrainingJob) -> str:
        """The store prefix of the trained model; TrainingError with the cause if it failed.

        A job whose result is in the store already is done and is not started.
        """
        ...


def launcher() -> Launcher:
    """The back end of this place: PyTorchJobs where GOLDSMITH_CLUSTER is set, else torchrun."""
    if os.environ.get(CLUSTER):
        from goldsmith.cluster.launcher import cluster_launcher  # an edge: see pyproject.toml

        return cluster_launcher()
    return LocalLauncher()


class LocalLauncher:
    """torchrun on this machine, with as many processes as the job's configuration says."""

    def launch(self, job: TrainingJob) -> str:
        """Run the job here; its log goes to this process's standard error."""
        if is_done(job):
            log.info("Training job %s is done already", job.name)
            return job.output
        processes = job.config["processes"]
        torchrun = command(
            job.run.store, save_job(job), "--standalone", f"--nproc-per-node={processes}"
        )
        with tempfile.TemporaryDirectory(prefix="goldsmith-") as scratch:
            log.info("Starting %s on %d processes", job.name, processes)
            with _held_lifeline(Path(scratch)) as environment:
                code = _run_group(torchrun, environment)
            if code or not is_done(job):
                raise _failure(job, code, Path(scratch))
        return job.output


@contextlib.contextmanager
def _held_lifeline(scratch: Path) -> Iterator[dict[str, str]]:
    """The job's environment; its processes die with this one."""
    line = Lifeline(scratch / "lifeline")
    try:
        yield _environment(scratch)
    finally:
        line.cut()


def _environment(scratch: Path) -> dict[str, str]:
    own = {VARIABLE: str(scratch / "lifeline"), SCRATCH: str(scratch)}
    return {**os.environ, **ENVIRONMENT, **KEPT_HEAP, **own}


def _run_group(command: list[str], environment: dict[str, str]) -> int:
    """Run a command in its own process group, which never outlives this process."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)

    def stop(signum: int, frame: object) -> None:
        raise SystemExit(128 + signum)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failure(job: TrainingJob, code: int, scratch: Path) -> TrainingError:
    """The worker's own account of what went wrong, or the exit code."""
    why = cause(scratch, code).message
    return TrainingError(
        f"training job {job.name} failed", why=why, fix=f"goldsmith logs {job.run.run_id}"
    )
