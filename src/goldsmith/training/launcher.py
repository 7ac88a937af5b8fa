"""Starts training jobs outside the pipeline's process; the seam between laptop and cluster.

The `local` back end is torchrun in its own process group on this machine. A `pytorchjob` back end
follows behind the same interface: a job names everything by the store, so that its result is read
from there and never from the process or the pod.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from goldsmith.errors import NotFoundError, TrainingError
from goldsmith.observability.lifeline import VARIABLE, Lifeline
from goldsmith.store.directories import read_manifest
from goldsmith.store.object_store import open_store
from goldsmith.training.job import TrainingJob

log = logging.getLogger(__name__)


class Launcher(Protocol):
    """Runs a job to its end."""

    def launch(self, job: TrainingJob) -> str:
        """The store prefix of the trained model; TrainingError with the cause if it failed.

        A job whose result is in the store already is done and is not started.
        """
        ...


def is_done(job: TrainingJob) -> bool:
    """Whether the job's result is committed."""
    try:
        read_manifest(open_store(job.run.store), job.output)
    except NotFoundError:
        return False
    return True


class LocalLauncher:
    """torchrun on this machine, with as many processes as the job's configuration says."""

    def launch(self, job: TrainingJob) -> str:
        """Run the job here; its log goes to this process's standard error."""
        if is_done(job):
            log.info("Training job %s is done already", job.name)
            return job.output
        with tempfile.TemporaryDirectory(prefix="goldsmith-") as scratch:
            spec = Path(scratch) / "job.json"
            spec.write_text(job.model_dump_json(), encoding="utf-8")
            log.info("Starting %s on %d processes", job.name, job.config["processes"])
            with _held_lifeline(Path(scratch)) as environment:
                code = _run_group(_command(spec, job.config["processes"]), environment)
            if code or not is_done(job):
                raise _failure(job, code, Path(scratch))
        return job.output


def _command(spec: Path, processes: int) -> list[str]:
    distributed = ["-m", "torch.distributed.run", "--standalone"]
    return [
        sys.executable,
        *distributed,
        f"--nproc-per-node={processes}",
        "-m",
        "goldsmith.training.worker",
        str(spec),
    ]


@contextlib.contextmanager
def _held_lifeline(scratch: Path) -> Iterator[dict[str, str]]:
    """The job's environment; its processes die with this one."""
    line = Lifeline(scratch / "lifeline")
    try:
        yield _environment(scratch)
    finally:
        line.cut()


def _environment(scratch: Path) -> dict[str, str]:
    return {
        **os.environ,
        VARIABLE: str(scratch / "lifeline"),
        "OMP_NUM_THREADS": "1",  # two contended threads run 3-10x slower (trl.md, point 4)
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "GOLDSMITH_SCRATCH": str(scratch),
    }


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
    reports = sorted(scratch.glob("failure-*.json"), key=lambda path: path.stat().st_mtime_ns)
    why = json.loads(reports[0].read_text())["message"] if reports else f"exit code {code}"
    return TrainingError(
        f"training job {job.name} failed", why=why, fix=f"goldsmith logs {job.run.run_id}"
    )
