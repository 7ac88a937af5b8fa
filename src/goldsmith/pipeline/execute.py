"""Executes a saved run: one attempt under the run's lease, watched, and told to the manifest."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldsmith.errors import RunError, StoreError
from goldsmith.pipeline.attempt import Attempt
from goldsmith.pipeline.failures import explain
from goldsmith.pipeline.lease import Lease
from goldsmith.pipeline.manifest import write_manifest
from goldsmith.pipeline.memory import tree_memory_mb
from goldsmith.pipeline.runs import STEPS, Run, resume_command
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

TICK_S = 0.25
MEMORY_S = 1.0
PROGRESS_DEADLINE_S = 600.0
"""A run that tells no progress for so long is taken to hang."""

Listener = Callable[[list[dict[str, Any]]], None]
"""Called every tick with the new progress lines, possibly none."""


@dataclass
class Watch:
    """What the parent saw of an attempt."""

    number: int
    log: Path
    heard: float
    """When the last progress line came, on the monotonic clock."""
    status: int | None = None
    step: str = ""
    """The step that runs now, or ran last."""
    ended: bool = True
    """That step has told how it went."""
    failure: str = ""
    memory_mb: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Peak of all processes of the attempt, by step."""

    def note(self, line: Mapping[str, Any]) -> None:
        """Learn from one progress line; the first failure is the cause of those after it."""
        self.heard = time.monotonic()
        match line.get("event"):
            case "started":
                self.step, self.ended = line["step"], False
            case "finished":
                self.ended = True
            case "failed" if line["step"]:
                self.failure = self.failure or f"{line['step']} failed: {line['message']}"
            case "failed" if self.ended:  # the runner's own trouble, not a step that died
                self.failure = self.failure or line["message"]

    def check_silence(self, deadline_s: float, *, resume: str) -> None:
        """RunError if the pipeline goes on but has told nothing for `deadline_s`."""
        if self.status is None and time.monotonic() - self.heard > deadline_s:
            raise RunError(
                f"{'the pipeline' if self.ended else self.step} hangs and was ended",
                why=f"it told no progress for {deadline_s:g} s, see {self.log}",
                fix=f"go on with: {resume}; if it is only slow, add --progress-deadline "
                f"{2 * deadline_s:g}",
            )


def execute(
    store: ObjectStore,
    run: Run,
    *,
    listener: Listener,
    pipeline: Path | None = None,
    progress_deadline_s: float = PROGRESS_DEADLINE_S,
) -> dict[str, Any]:
    """Run or resume `run` and return its manifest; RunError tells why it failed.

    KeyboardInterrupt ends the steps, is written down and travels on; so does a RunError when they
    tell no progress for too long. `pipeline`: another compiled file than the one that ships.
    """
    with Lease(store, run.run_id) as lease:
        attempt = Attempt(store, run, pipeline=pipeline)
        watch = Watch(attempt.number, attempt.log, heard=time.monotonic())
        started = time.time()
        try:
            with attempt:
                for lines in _follow(attempt, watch, lease=lease):
                    listener(lines)
                    watch.check_silence(progress_deadline_s, resume=resume_command(run))
        except BaseException as error:
            for line in attempt.new_lines():  # a step may have started since the last look
                watch.note(line)
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            _write_down(store, run, watch, status=status, cause=explain(error), started=started)
            raise
        if watch.status:
            cause = watch.failure or _silent_death(watch)
            _write_down(store, run, watch, status="failed", cause=cause, started=started)
            raise RunError(cause, fix=f"go on with: {resume_command(run)}")
        return write_manifest(store, run, watch, status="finished", started=started)


def _follow(attempt: Attempt, watch: Watch, *, lease: Lease) -> Iterator[list[dict[str, Any]]]:
    """Watch the pipeline until it ends; every tick's new progress lines."""
    measured = 0.0
    while watch.status is None:
        watch.status = attempt.wait(TICK_S)
        lines = attempt.new_lines()
        for line in lines:
            watch.note(line)
        yield lines
        lease.beat()
        if watch.status is None and time.monotonic() - measured > MEMORY_S:
            measured = time.monotonic()
            peak = max(watch.memory_mb[watch.step], tree_memory_mb(attempt.pid))
            watch.memory_mb[watch.step] = round(peak, 1)


def _write_down(store: ObjectStore, run: Run, watch: Watch, **facts: Any) -> None:
    """Write the manifest of a run that did not finish; its own trouble must not hide the cause."""
    try:
        write_manifest(store, run, watch, **facts)
    except StoreError as error:
        log.warning("The run's manifest could not be written: %s", explain(error))


def _silent_death(watch: Watch) -> str:
    step = watch.step if watch.step in STEPS else "the pipeline"
    killed = watch.status == -9 or "Killed" in watch.log.read_text(errors="replace")[-4000:]
    why = "it was killed, perhaps for lack of memory" if killed else "it said nothing"
    return f"{step} ended without a result: {why}; see {watch.log}"
