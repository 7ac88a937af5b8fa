"""Jobs in the object store: `jobs/all/<id>.json`, and `jobs/open/<id>` while there is work to do.

A record moves by compare-and-swap only. Whoever runs a job leases it, so that of many routers one
does, and another one once the lease is over.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from goldsmith.errors import ConflictError, NotFoundError
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
OPEN = ("queued", "running")
ID = re.compile(r"job-[0-9a-f]{32}")
LEASE_S, KEPT_S = 30.0, 86_400.0
_ALL, _OPEN = "jobs/all/", "jobs/open/"


@dataclass(frozen=True)
class Job:
    """One state of one job; times are in epoch seconds."""

    id: str
    tenant: str
    path: str
    body: dict[str, Any]
    policy: str = "single"
    hints: dict[str, float | None] = field(default_factory=dict)
    status: Status = "queued"
    created_at: float = 0.0
    owner: str = ""
    leased_until: float = 0.0
    attempts: int = 0
    finished_at: float = 0.0
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is work to do."""
        return self.status in OPEN

    def public(self) -> dict[str, Any]:
        """What its tenant sees."""
        document = {
            "id": self.id,
            "object": "job",
            "status": self.status,
            "created_at": int(self.created_at),
            "finished_at": int(self.finished_at) or None,
            "result": self.result,
        }
        return document | (self.error or {"error": None})


class JobStore:
    """Blocking; call it from a thread."""

    def __init__(self, store: ObjectStore, owner: str) -> None:
        self._store, self._owner = store, owner

    def create(self, job: Job) -> Job:
        """Durable when it returns."""
        job = replace(job, id=f"job-{secrets.token_hex(16)}", created_at=time.time())
        self._store.create(_ALL + f"{job.id}.json", _sealed(job))
        self._store.create(_OPEN + job.id, b"open\n")
        return job

    def read(self, job_id: str) -> tuple[Job, str]:
        """The job and its tag; NotFoundError."""
        key = _ALL + f"{job_id}.json"
        data, tag = self._store.get_tagged(key)
        document = unseal(data, key=key)
        return Job(**{name: document[name] for name in Job.__dataclass_fields__}), tag

    def open_ids(self) -> list[str]:
        """Jobs that may have work to do."""
        return [key.removeprefix(_OPEN) for key in self._store.list(_OPEN)]

    def claim(self, job_id: str) -> Job | None:
        """Lease it; None if there is nothing to do, or somebody else does it."""
        try:
            job, tag = self.read(job_id)
        except NotFoundError:
            self._store.delete(_OPEN + job_id)
            return None
        if not job.is_open:
            self._store.delete(_OPEN + job_id)
            return None
        if job.status == "running" and job.leased_until > time.time():
            return None
        leased = replace(
            job,
            status="running",
            owner=self._owner,
            leased_until=time.time() + LEASE_S,
            attempts=job.attempts + 1,
        )
        return self._swap(leased, tag)

    def renew(self, job_id: str) -> bool:
        """Lease it for longer; False if it is no longer ours."""
        job, tag = self.read(job_id)
        if job.status != "running" or job.owner != self._owner:
            return False
        return self._swap(replace(job, leased_until=time.time() + LEASE_S), tag) is not None

    def give_back(self, job_id: str) -> None:
        """The router ends: another one may have it at once."""
        job, tag = self.read(job_id)
        if job.status == "running" and job.owner == self._owner:
            attempts = max(0, job.attempts - 1)
            self._swap(replace(job, status="queued", owner="", attempts=attempts), tag)

    def finish(self, job_id: str, status: Status, **outcome: Any) -> Job | None:
        """Write how it ended, unless it is ours no more."""
        while True:
            job, tag = self.read(job_id)
            if job.status != "running" or job.owner != self._owner:
                return None
            ended = replace(job, status=status, finished_at=time.time(), **outcome)
            if done := self._swap(ended, tag):
                self._store.delete(_OPEN + job_id)
                return done

    def cancel(self, job_id: str) -> Job:
        """End it if it is open; the job as it is then."""
        while True:
            job, tag = self.read(job_id)
            if not job.is_open:
                return job
            ended = replace(job, status="cancelled", finished_at=time.time())
            if done := self._swap(ended, tag):
                self._store.delete(_OPEN + job_id)
                return done

    def sweep(self) -> int:
        """Delete what ended long ago; how many."""
        deleted = 0
        for key in list(self._store.list(_ALL)):
            job, _ = self.read(key.removeprefix(_ALL).removesuffix(".json"))
            if not job.is_open and time.time() - job.finished_at > KEPT_S:
                self._store.delete(key)
                deleted += 1
        return deleted

    def _swap(self, job: Job, tag: str) -> Job | None:
        try:
            self._store.replace(_ALL + f"{job.id}.json", _sealed(job), tag=tag)
        except ConflictError:
            return None
        return job


def _sealed(job: Job) -> bytes:
    return seal({"kind": "job", **asdict(job)})
