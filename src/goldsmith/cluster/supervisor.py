"""Runs a job object to its end: starts it or re-attaches, follows it, starts it again, gives up.

    absent                      start it
    running                     re-attach: deadline and restarts are in its annotations
    finished without a result   delete it, wait, start it
    a pod failed or went away   delete all pods, start all again from the checkpoint
    no newer checkpoint after `max_restarts` restarts, the deadline, a dead end: stop, and say why

Every restart ends one incarnation whole, so that no pod waits for one that never comes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from goldsmith.cluster.client import Client, Object
from goldsmith.cluster.diagnosis import trouble
from goldsmith.cluster.watch import Watch, state
from goldsmith.errors import ClusterError, TrainingError
from goldsmith.training.failure import Failure

log = logging.getLogger(__name__)

DEADLINE = "goldsmith.dev/deadline"
"""Annotation: when the job has to be done, for the reaper and for who re-attaches."""
RESTARTS = "goldsmith.dev/restarts"
CHECKPOINT = "goldsmith.dev/checkpoint"

IMAGE_S = 300
"""How long an image may fail to be pulled: registries have bad minutes."""
LOOK_BACK_S = 60
"""How much of the log is shown again on re-attaching."""


@dataclass(frozen=True)
class History:
    """What outlives an incarnation; it travels in the job's annotations."""

    deadline: datetime
    restarts: int = 0
    """Since the last time that there was a newer checkpoint."""
    checkpoint: int = 0
    """The newest one then."""

    def annotations(self) -> dict[str, str]:
        """As the job carries it."""
        return {
            DEADLINE: self.deadline.isoformat(timespec="seconds"),
            RESTARTS: str(self.restarts),
            CHECKPOINT: str(self.checkpoint),
        }

    def after(self, newest: int) -> History:
        """One restart later; progress wipes the slate clean."""
        if newest > self.checkpoint:
            return replace(self, restarts=1, checkpoint=newest)
        return replace(self, restarts=self.restarts + 1)


@dataclass(frozen=True)
class Work:
    """What a supervisor runs."""

    kind: str
    name: str
    container: str
    build: Callable[[Mapping[str, str]], Object]
    """The manifest with these annotations."""
    is_done: Callable[[], bool]
    newest: Callable[[], int]
    """The step of the newest checkpoint."""
    deadline_s: int
    pending_s: int
    max_restarts: int
    asks: str
    """What a pod asks for and of whom, in words."""
    advice: Mapping[str, str]
    """Class of a failure to what a person can do about it."""


class Supervisor:
    """Runs one piece of work; TrainingError says in a sentence why it could not."""

    def __init__(
        self, client: Client, work: Work, *, poll_s: float, settle_s: float, backoff_s: float
    ) -> None:
        self.client, self.work = client, work
        self.poll_s, self.settle_s, self.backoff_s = poll_s, settle_s, backoff_s
        self._uid = ""
        """Of the incarnation seen last: a newer one, another launcher's, is not ours to end."""

    def run(self) -> None:
        """Return when the work's result is there. A signal ends the job too, and travels on."""
        try:
            history, since = self._attach()
            while failure := self._follow(history, since=since):
                history, since = self._next(history, failure), ""
                self._restart(history, failure)
        except (SystemExit, KeyboardInterrupt):
            log.warning("Deleting %s %s: this step was told to stop", *self._where())
            self.client.delete(*self._where())
            raise

    def _attach(self) -> tuple[History, str]:
        """The history of the job that runs, or a new job and history; where its log goes on."""
        found = self.client.get(*self._where())
        self._uid = found["metadata"]["uid"] if found else ""
        going = found and not found["metadata"].get("deletionTimestamp")
        if found and going and state(found) not in ("Failed", "Succeeded"):
            log.info("Re-attaching to %s %s", *self._where())
            since = datetime.now(UTC) - timedelta(seconds=LOOK_BACK_S)
            return self._history(found), f"{since:%Y-%m-%dT%H:%M:%SZ}"
        if found:
            log.info("%s %s ended without a result", *self._where())
            self._remove()
        history = self._history({})
        self._start(history)
        return history, ""

    def _history(self, job: Object) -> History:
        notes = job.get("metadata", {}).get("annotations", {})
        if DEADLINE not in notes:
            deadline = datetime.now(UTC) + timedelta(seconds=self.work.deadline_s)
            return History(deadline, checkpoint=self.work.newest())
        return History(
            datetime.fromisoformat(notes[DEADLINE]),
            restarts=int(notes.get(RESTARTS, 0)),
            checkpoint=int(notes.get(CHECKPOINT, 0)),
        )

    def _start(self, history: History) -> None:
        """Create the job; another launcher that was first started the same one."""
        log.info("Starting %s %s: %s", *self._where(), self.work.asks)
        try:
            self.client.apply(self.work.build(history.annotations()))
        except ClusterError as error:
            if error.status != 409:
                raise

    def _follow(self, history: History, *, since: str) -> Failure | None:
        """Watch one incarnation to its end; None if the result is there."""
        watch = Watch(
            self.client, *self._where(), self.work.container, since, settle_s=self.settle_s
        )
        waiting = _Waiting(self.work)
        while True:
            job = watch.look()
            if job is None:
                return Failure("preempted", "the job was deleted")
            self._uid = job["metadata"]["uid"]
            if state(job) == "Succeeded":
                missing = Failure("unknown", "it succeeded, but its result is not in the store")
                return None if self.work.is_done() else missing
            if failure := watch.failure(job):
                return failure
            self._check(history, waiting.dead_end(job, watch))
            time.sleep(self.poll_s)

    def _check(self, history: History, dead_end: str) -> None:
        """TrainingError, and no job any more, if this one leads nowhere or took too long."""
        if dead_end:
            raise self._given_up(dead_end)
        if datetime.now(UTC) > history.deadline:
            why = f"it was not done by its deadline, {history.deadline:%Y-%m-%d %H:%M} UTC"
            raise self._given_up(why, fix=self.work.advice["deadline"])

    def _next(self, history: History, failure: Failure) -> History:
        """The history with one more restart; TrainingError if there is to be none."""
        newest = self.work.newest()
        after = history.after(newest)
        advice = self.work.advice.get(failure.kind, "")
        if not failure.retryable:
            raise self._given_up(failure.message, fix=advice)
        if after.restarts > self.work.max_restarts:
            tries = f"{after.restarts} times without a checkpoint newer than {newest}"
            raise self._given_up(f"it failed {tries}; the last time: {failure.message}", fix=advice)
        return after

    def _given_up(self, why: str, *, fix: str = "") -> TrainingError:
        """The error; a job that has not failed by itself is deleted, one that has can be read."""
        job = self.client.get(*self._where())
        if job and state(job) != "Failed":
            self.client.delete(*self._where())
        name = f"{self.client.namespace}/{self.work.name}"
        return TrainingError(f"{self.work.kind} {name} failed", why=why, fix=fix)

    def _restart(self, history: History, failure: Failure) -> None:
        """Delete every pod and start all again; at once if it was nobody's fault."""
        log.warning(
            "Restarting %s from checkpoint %d (restart %d of %d): %s",
            self.work.name,
            history.checkpoint,
            history.restarts,
            self.work.max_restarts,
            failure.message,
        )
        self._remove()
        if failure.kind != "preempted":
            time.sleep(min(self.backoff_s * 2 ** (history.restarts - 1), 600))
        self._start(history)

    def _remove(self) -> None:
        """Delete the job and its pods, and wait until they are gone."""
        self.client.delete(*self._where(), uid=self._uid)
        wait_gone(self.client, *self._where(), uid=self._uid, poll_s=self.poll_s)

    def _where(self) -> tuple[str, str]:
        return self.work.kind, self.work.name


class _Waiting:
    """Since when the pods wait for what, and when that is too long."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._since: dict[str, float] = {}

    def dead_end(self, job: Object, watch: Watch) -> str:
        """Why the job will never run, in words; empty while there is hope."""
        if state(job) == "Suspended":
            self._since.clear()
            return ""
        if not watch.pods:
            why = watch.warnings.last or "nothing happened: is the training operator running?"
            return self._limit("no pods", self.work.pending_s, f"it has no pods: {why}")
        for pod in watch.pods:
            name, found = pod["metadata"]["name"], trouble(pod)
            if found and found.kind == "node":
                text = f"{name} finds no node; it asks for {self.work.asks}: {found.why}"
                said = self._limit(f"{name} node", self.work.pending_s, text)
            elif found:
                limit = min(IMAGE_S, self.work.pending_s)
                said = self._limit(f"{name} start", limit, f"{name}: {found.why}")
            else:
                self._since = {k: v for k, v in self._since.items() if not k.startswith(f"{name} ")}
                continue
            if said:
                return said
        self._since.pop("no pods", None)
        return ""

    def _limit(self, what: str, limit_s: float, text: str) -> str:
        """`text` when `what` has lasted for longer than `limit_s`."""
        started = self._since.setdefault(what, time.monotonic())
        return text if time.monotonic() - started > limit_s else ""


def wait_gone(
    client: Client, kind: str, name: str, *, uid: str = "", poll_s: float, limit_s: float = 600
) -> None:
    """Wait until an object (with `uid`: that one) and all it owns are gone; ClusterError if not."""
    end = time.monotonic() + limit_s
    while (found := client.get(kind, name)) and uid in ("", found["metadata"]["uid"]):
        if time.monotonic() > end:
            pods = client.list("Pod", labels=f"app.kubernetes.io/instance={name}")
            names = " ".join(pod["metadata"]["name"] for pod in pods)
            raise ClusterError(
                f"{kind} {client.namespace}/{name} does not go away",
                why=f"it waits for {names or 'a finalizer'}; perhaps their node is gone",
                fix=f"kubectl -n {client.namespace} delete pod --force {names}" if names else "",
            )
        time.sleep(poll_s)
