"""Entry point of a training pod: `python -m goldsmith.training.entry STORE KEY`.

Runs torchrun, which hides why a worker ended, and tells it: one JSON line in the termination log
(class, rank, step, message), and an exit code below 128 if a second try would fail as well. The
master, whose rank 0 tells the job's progress, also ends a job that is silent for too long.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from goldsmith.observability.progress import VARIABLE as PROGRESS
from goldsmith.training.failure import Failure, cause
from goldsmith.training.torchrun import ENVIRONMENT, SCRATCH, command

log = logging.getLogger(__name__)

TERMINATION_LOG = "GOLDSMITH_TERMINATION_LOG"
"""Variable that names another file than Kubernetes' own, for tests."""
SILENCE = "GOLDSMITH_SILENCE_S"
"""Variable: how many seconds a job may tell no progress; none or 0: for ever."""
_LOOK_S = 1.0


def main() -> int:
    """Train, and leave with the exit code of what went wrong, if anything did."""
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="goldsmith-") as scratch:
        failure = _run(sys.argv[1], sys.argv[2], Path(scratch))
    if not failure:
        return 0
    log.error("%s: %s", failure.kind, failure.message)
    tell(failure)
    return failure.exit_code


def _run(store: str, key: str, scratch: Path) -> Failure | None:
    """What the job failed of on this machine; None if it did not."""
    progress = scratch / "progress.jsonl"
    own = {SCRATCH: str(scratch), PROGRESS: str(progress)}
    environment = {**os.environ, **ENVIRONMENT, **own}
    process = subprocess.Popen(command(store, key), env=environment)
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        process.terminate()  # torchrun ends its workers

    signal.signal(signal.SIGTERM, stop)
    if hang := watch(process, progress, silence_s=allowed_silence_s(os.environ)):
        return hang
    if stopped:
        return Failure("preempted", "the pod was told to stop; its checkpoints are kept")
    return cause(scratch, process.wait()) if process.returncode else None


def allowed_silence_s(variables: Mapping[str, str]) -> float:
    """How long this pod may tell nothing; 0, for ever, on workers, since only rank 0 tells."""
    node = variables.get("PET_NODE_RANK", variables.get("RANK", "0"))
    return float(variables.get(SILENCE, 0)) if node == "0" else 0.0


def watch(
    process: subprocess.Popen[bytes], progress: Path, *, silence_s: float, look_s: float = _LOOK_S
) -> Failure | None:
    """Wait until a process ends; one that tells no progress for `silence_s` is killed."""
    started = time.time()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=look_s)
            return None
        heard = max(started, progress.stat().st_mtime) if progress.exists() else started
        if silence_s and time.time() - heard > silence_s:
            process.kill()  # its workers end with the container
            process.wait()
            return Failure("hang", f"no progress for {silence_s:.0f} s: its processes hang")


def tell(failure: Failure) -> None:
    """Leave the failure where Kubernetes reads it, in the container's termination log."""
    path = Path(os.environ.get(TERMINATION_LOG, "/dev/termination-log"))
    try:
        path.write_text(failure.to_json(), encoding="utf-8")
    except OSError as error:
        log.warning("cannot write %s: %s", path, error.strerror)


if __name__ == "__main__":
    sys.exit(main())
