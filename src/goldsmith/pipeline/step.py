"""What every pipeline step does around its work: log, say how it went, die with the run.

    with step("train_srl"):
        ...

Events are lines of the progress file, beside those of `observability.progress`:
{"step", "event": "started" | "finished" | "failed", "t", "message"}.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from goldsmith.observability import lifeline
from goldsmith.observability.progress import VARIABLE, append_line
from goldsmith.pipeline.failures import explain


@contextmanager
def step(name: str) -> Iterator[None]:
    """Run the body as step `name`; an exception is recorded as one line and travels on."""
    lifeline.watch()
    _log_to_stderr()
    signal.signal(signal.SIGTERM, _leave)
    record(name, "started")
    try:
        yield
    except BaseException as error:
        record(name, "failed", message=explain(error))
        raise
    record(name, "finished")


def record(name: str, event: str, *, message: str = "") -> None:
    """Append one event to the progress file, if there is one."""
    if path := os.environ.get(VARIABLE):
        line = {"step": name, "event": event, "t": round(time.time(), 3), "message": message}
        append_line(Path(path), line)


def _log_to_stderr() -> None:
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr, force=True)  # not KFP's
    logging.getLogger("goldsmith").setLevel(logging.INFO)


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that runs `finally` blocks, so that a launcher ends its job."""
    raise SystemExit(128 + number)
