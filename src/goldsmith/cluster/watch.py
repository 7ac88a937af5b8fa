"""What a job's pods write and what the cluster says of them, line by line as it happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from goldsmith.cluster import diagnosis
from goldsmith.cluster.client import Client, Object
from goldsmith.errors import ClusterError
from goldsmith.training.failure import Failure, root_cause

log = logging.getLogger(__name__)

State = str
"""`Succeeded`, `Failed`, `Suspended`, or empty: it goes on."""

INSTANCE = "app.kubernetes.io/instance"


@dataclass
class PodLogs:
    """Prints each line of each pod once, after the pod's name."""

    client: Client
    container: str
    since: str = ""
    """Where to begin: an RFC 3339 time, or empty for the start."""
    say: Callable[[str], None] = log.info
    _seen: dict[str, str] = field(default_factory=dict)
    """Pod uid to the time of its last line."""

    def follow(self, pods: list[Object]) -> None:
        """Print what is new."""
        for pod in pods:
            if _has_started(pod, self.container):
                self._print(pod["metadata"]["name"], pod["metadata"]["uid"])

    def _print(self, name: str, uid: str) -> None:
        last = self._seen.get(uid, self.since)
        try:
            text = self.client.pod_log(name, self.container, since=last)
        except ClusterError as error:  # it is gone, or its node does not answer
            log.debug("%s", error)
            return
        for line in text.splitlines():
            at, _, words = line.partition(" ")
            if not last or _moment(at) > _moment(last):
                self.say(f"{name} | {words}")
                self._seen[uid] = last = at


@dataclass
class Warnings:
    """Prints each warning event of a job and its pods once, and remembers the job's last."""

    client: Client
    last: str = ""
    _seen: set[str] = field(default_factory=set)

    def follow(self, job: Object, pods: list[Object]) -> None:
        """Print what is new."""
        ours = {thing["metadata"]["uid"] for thing in (job, *pods)}
        for event in self.client.list("Event", fields="type=Warning"):
            about, key = event["involvedObject"], event["metadata"]["uid"]
            if about.get("uid") not in ours or key in self._seen:
                continue
            self._seen.add(key)
            text = f"{event.get('reason', '')}: {' '.join(event.get('message', '').split())}"
            log.warning("%s | %s", about["name"], text)
            if about["uid"] == job["metadata"]["uid"]:
                self.last = text


@dataclass
class Watch:
    """One incarnation of a job: its pods' words, and the first sign that it is broken."""

    client: Client
    kind: str
    name: str
    container: str
    since: str = ""
    settle_s: float = 5.0
    """How long the other pods may take to tell their side."""

    def __post_init__(self) -> None:
        self.logs = PodLogs(self.client, self.container, self.since)
        self.warnings = Warnings(self.client)
        self.pods: list[Object] = []
        self._alive: set[str] = set()
        self._failures: dict[str, Failure] = {}
        self._broken_since = 0.0

    def look(self) -> Object | None:
        """The job as it is now, after printing what is new; None if it is gone."""
        job = self.client.get(self.kind, self.name)
        self.pods = self.client.list("Pod", labels=f"{INSTANCE}={self.name}")
        self.logs.follow(self.pods)
        if job:
            self.warnings.follow(job, self.pods)
        return job

    def failure(self, job: Object) -> Failure | None:
        """The cause, once a pod failed or is gone and the others had time to tell theirs."""
        if state(job) == "Suspended":  # Kueue takes all pods away, and gives them back
            self._alive.clear()
            self._failures.clear()
            self._broken_since = 0.0
            return None
        self._note_failures()
        over = state(job) == "Failed"
        if not self._failures and not over:
            return None
        self._broken_since = self._broken_since or time.monotonic()
        waiting = time.monotonic() - self._broken_since < self.settle_s
        if waiting and not (over and all(_is_over(pod) for pod in self.pods)):
            return None
        found = list(self._failures.values())
        return root_cause(found) if found else Failure("unknown", _condition(job, "Failed"))

    def _note_failures(self) -> None:
        """Remember what failed, and which pods went away that were there."""
        here = {pod["metadata"]["uid"]: pod for pod in self.pods}
        for uid, pod in here.items():
            if found := diagnosis.failure(pod):
                told = replace(found, message=f"{pod['metadata']['name']}: {found.message}")
                self._failures.setdefault(uid, told)
        leaving = {u for u, p in here.items() if diagnosis.is_leaving(p) and not _is_over(p)}
        for uid in (self._alive - here.keys()) | leaving:
            gone = Failure("preempted", "a pod was deleted, or its node is gone")
            self._failures.setdefault(uid, gone)
        self._alive = {uid for uid, pod in here.items() if not _is_over(pod)}


def state(job: Object) -> State:
    """The condition that a job is in, if it is one that ends or stops it."""
    conditions = job.get("status", {}).get("conditions") or []
    held = {c["type"] for c in conditions if c["status"] == "True"}
    if "Complete" in held or "Succeeded" in held:
        return "Succeeded"
    if "Failed" in held:
        return "Failed"
    spec = job.get("spec", {})
    asked = spec.get("suspend") or spec.get("runPolicy", {}).get("suspend")  # before it is done
    return "Suspended" if asked or "Suspended" in held else ""


def _condition(job: Object, kind: str) -> str:
    """What a condition says of itself."""
    conditions = job.get("status", {}).get("conditions") or []
    texts = [c.get("message", "") for c in conditions if c["type"] == kind]
    return next((text for text in texts if text), f"the job is {kind} and says nothing")


def _has_started(pod: Object, container: str) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    states = [s.get("state", {}) for s in statuses if s["name"] == container]
    return any("running" in s or "terminated" in s for s in states)


def _is_over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _moment(text: str) -> tuple[str, str]:
    """An RFC 3339 time in UTC as something that sorts; its fraction has any number of digits."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return seconds, fraction.ljust(9, "0")
