"""Entry point of a training pod: `python -m goldsmith.training.entry STORE KEY`.

Runs torchrun, which hides why a worker ended, and tells it: one JSON line in the termination log
(class, rank, step, message), and an exit code below 128 if a second try would fail as well.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from goldsmith.training.failure import Failure, cause
from goldsmith.training.torchrun import ENVIRONMENT, SCRATCH, command

log = logging.getLogger(__name__)

TERMINATION_LOG = "GOLDSMITH_TERMINATION_LOG"
"""Variable that names another file than Kubernetes' own, for tests."""


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
    environment = {**os.environ, **ENVIRONMENT, SCRATCH: str(scratch)}
    process = subprocess.Popen(command(store, key), env=environment)
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        process.terminate()  # torchrun ends its workers

    signal.signal(signal.SIGTERM, stop)
    code = process.wait()
    if stopped:
        return Failure("preempted", "the pod was told to stop; its checkpoints are kept")
    return cause(scratch, code) if code else None


def tell(failure: Failure) -> None:
    """Leave the failure where Kubernetes reads it, in the container's termination log."""
    path = Path(os.environ.get(TERMINATION_LOG, "/dev/termination-log"))
    try:
        path.write_text(failure.to_json(), encoding="utf-8")
    except OSError as error:
        log.warning("cannot write %s: %s", path, error.strerror)


if __name__ == "__main__":
    sys.exit(main())
