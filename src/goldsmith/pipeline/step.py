"""What every pipeline step does around its work: log, say how it went, die with the run.

    with step("train_srl", run) as this:
        ... this.run, this.section(config)

Events are lines of the progress file, beside those of `observability.progress`:
{"step", "event": "started" | "finished" | "failed", "t", "message"}.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import ValidationError

from goldsmith.config.load import DEFAULT_PROFILE, explain_mistake, load_config, parse_section
from goldsmith.config.run import RunContext
from goldsmith.observability import lifeline
from goldsmith.observability.progress import VARIABLE, append_line
from goldsmith.pipeline.failures import explain
from goldsmith.pipeline.runs import STEPS, default_threads
from goldsmith.training.launcher import CLUSTER


@dataclass(frozen=True)
class Step:
    """A step's place: the run it belongs to and the section of the configuration that is its."""

    name: str
    run: RunContext

    def section(self, values: Mapping[str, Any]) -> Any:
        """The step's section, from what it was given; the profile's if that is empty."""
        name = self.name.removeprefix("train_")
        if not values:
            values = load_config(self.run.profile).sections()[name]
        return parse_section(name, values)


@contextmanager
def step(name: str, run: Mapping[str, Any]) -> Iterator[Step]:
    """Run the body as step `name`; an exception is recorded as one line and travels on."""
    lifeline.watch()
    _log_to_stderr()
    signal.signal(signal.SIGTERM, _leave)
    record(name, "started")
    try:
        if os.environ.get(CLUSTER):
            with _in_pod(name, run) as this:
                yield this
        else:
            yield Step(name, complete(run))
    except BaseException as error:
        record(name, "failed", message=explain(error))
        raise
    record(name, "finished")


@contextmanager
def _in_pod(name: str, run: Mapping[str, Any]) -> Iterator[Step]:
    """A step on a cluster: there it finds its store, and there it writes the run down."""
    os.environ.setdefault("OMP_NUM_THREADS", str(default_threads()))  # before torch is imported
    from goldsmith.cluster import environment  # imports the kubernetes client
    from goldsmith.pipeline import remote

    cluster = environment.enter()
    this = Step(name, complete({"store": cluster.store.url if cluster else "", **run}))
    remote.prepare(this.run)
    try:
        yield this
    except Exception as error:
        remote.note_failure(this.run, name, explain(error))
        raise
    if name == STEPS[-1]:
        remote.note_end(this.run)


def complete(run: Mapping[str, Any]) -> RunContext:
    """A run as a step was told of it, the rest from its profile; ConfigError names a mistake."""
    told = {"profile": DEFAULT_PROFILE, **run}
    if missing := {"domain", "tier", "seed"} - told.keys():
        config = load_config(str(told["profile"]))
        told |= {name: getattr(config, name) for name in missing}
    try:
        return RunContext.model_validate(told)
    except ValidationError as error:
        raise explain_mistake(error, RunContext) from None


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
