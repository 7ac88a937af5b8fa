"""POST /v1/jobs: a request that may take its time. Accepted is durable; a restart loses none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from goldsmith.errors import GoldsmithError, NotFoundError, StoreError
from goldsmith.serving.router.ask import Ask
from goldsmith.serving.router.credentials import Caller
from goldsmith.serving.router.hints import Hints
from goldsmith.serving.router.job_store import ID, LEASE_S, Job, JobStore, Status
from goldsmith.serving.router.policies import answer, settings_of
from goldsmith.serving.router.refusal import Refusal, bad_request
from goldsmith.serving.router.settle import Result, refund
from goldsmith.store.object_store import open_store

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

log = logging.getLogger(__name__)

RUNNERS, MOST_QUEUED, MOST_ATTEMPTS = 16, 10_000, 5
SCAN_S, FIRST_WAIT_S = 10.0, 0.5
_HINTS = ("slo_ttft_ms", "max_cost_usd", "min_quality")


class Jobs:
    """Takes, runs and tells of jobs."""

    def __init__(self, core: Core, url: str) -> None:
        self._core = core
        self._store = JobStore(open_store(url), owner=uuid.uuid4().hex)
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._known: set[str] = set()
        """In the queue or running here."""
        self._asks: dict[str, Ask] = {}
        """Of jobs that were accepted by this process: their reservations."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Run what is open, and look for more."""
        loops: list[Callable[[], Coroutine[Any, Any, None]]] = [self._scan, *[self._run] * RUNNERS]
        self._tasks = [asyncio.create_task(each(), name="jobs") for each in loops]

    async def stop(self) -> None:
        """Give back what runs: another router, or this one after its restart, goes on with it."""
        tasks = [*self._tasks, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, ask: Ask) -> Job:
        """Accept a job; it is durable."""
        if self._queue.qsize() >= MOST_QUEUED:
            what = f"{MOST_QUEUED} jobs wait"
            raise Refusal(429, "overloaded", what, fix="come back later", retry_after_s=10)
        if ask.stream:
            raise bad_request("stream is not possible: a job's answer is polled", param="stream")
        settings_of(self._core, ask)
        job = await asyncio.to_thread(self._store.create, _job_of(ask))
        self._asks[job.id] = ask
        self._put(job.id)
        return job

    async def read(self, job_id: str, tenant: str) -> Job:
        """A tenant's own job; Refusal (404)."""
        if not ID.fullmatch(job_id):
            raise _unknown(job_id)
        try:
            job, _ = await asyncio.to_thread(self._store.read, job_id)
        except NotFoundError:
            raise _unknown(job_id) from None
        if job.tenant != tenant:
            raise _unknown(job_id)
        return job

    async def cancel(self, job_id: str, tenant: str) -> Job:
        """End a tenant's own job; Refusal (404)."""
        await self.read(job_id, tenant)
        job = await asyncio.to_thread(self._store.cancel, job_id)
        if task := self._running.get(job_id):
            task.cancel()
        if ask := self._asks.pop(job_id, None):
            refund(ask)
        return job

    def _put(self, job_id: str) -> None:
        if job_id not in self._known:
            self._known.add(job_id)
            self._queue.put_nowait(job_id)

    async def _scan(self) -> None:
        """What other routers left, and what this one left at its last end."""
        swept_at = 0.0
        while True:
            try:
                for job_id in await asyncio.to_thread(self._store.open_ids):
                    self._put(job_id)
                if time.monotonic() - swept_at > 3600 or not swept_at:
                    swept_at = time.monotonic()
                    await asyncio.to_thread(self._store.sweep)
            except StoreError as error:
                log.warning("Jobs cannot be listed: %s", error)
            await asyncio.sleep(SCAN_S)

    async def _run(self) -> None:
        while True:
            job_id = await self._queue.get()
            try:
                await self._run_one(job_id)
            except (StoreError, GoldsmithError) as error:
                log.warning("Job %s: %s", job_id, error)
            finally:
                self._known.discard(job_id)

    async def _run_one(self, job_id: str) -> None:
        job = await asyncio.to_thread(self._store.claim, job_id)
        if job is None:
            return
        work = asyncio.create_task(self._work(job), name=job_id)
        lease = asyncio.create_task(self._keep_lease(job_id, work), name=f"lease of {job_id}")
        self._running[job_id] = work
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait([work])
            await asyncio.to_thread(self._store.give_back, job_id)
            raise
        finally:
            lease.cancel()
            self._running.pop(job_id, None)
            self._asks.pop(job_id, None)
        if not work.cancelled() and (error := work.exception()):
            log.error("Job %s", job_id, exc_info=error)
            failure = Refusal(500, "job_failed", "the job failed").document()
            await asyncio.to_thread(self._store.finish, job_id, "failed", error=failure)

    async def _keep_lease(self, job_id: str, work: asyncio.Task[None]) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with contextlib.suppress(StoreError):
                if not await asyncio.to_thread(self._store.renew, job_id):
                    work.cancel()  # cancelled by its tenant, at another router perhaps
                    return

    async def _work(self, job: Job) -> None:
        """Until it is answered, refused for good, or refused too often."""
        ask = self._asks.get(job.id) or self._ask_of(job)
        wait_s, tries = FIRST_WAIT_S, job.attempts
        while True:
            ask.started = time.monotonic()
            try:
                with self._core.pinned(ask.adapter):
                    result = await answer(self._core, ask)
                return await self._end(job, "succeeded", result=_document(result))
            except Refusal as refusal:
                tries += 1
                hopeless = refusal.status < 500 and refusal.status != 429
                if hopeless or tries > MOST_ATTEMPTS:
                    refund(ask)
                    return await self._end(job, "failed", error=refusal.document())
            await asyncio.sleep(wait_s)
            wait_s *= 2

    async def _end(self, job: Job, status: Status, **outcome: Any) -> None:
        await asyncio.to_thread(self._store.finish, job.id, status, **outcome)

    def _ask_of(self, job: Job) -> Ask:
        """The ask of a job that an earlier process accepted."""
        core = self._core
        tenant = core.credentials.tenants.get(job.tenant)
        hints = Hints(
            slo_ttft_ms=job.hints["slo_ttft_ms"],
            max_cost_usd=job.hints["max_cost_usd"],
            min_quality=job.hints["min_quality"],
            priority=-2,
            is_async=True,
            policy=job.policy,
        )
        return core.reader.read(
            dict(job.body),
            caller=Caller(job.tenant, (tenant,) if tenant else ()),
            path=job.path,
            hints=hints,
            started=time.monotonic(),
        )


def _document(result: Result) -> dict[str, Any]:
    """The answer, with where it came from."""
    leg = result.leg
    route = {"tier": leg.tier, "version": leg.version, "price_usd": result.price_usd}
    return {**result.document, "route": route}


def _job_of(ask: Ask) -> Job:
    return Job(
        id="",
        tenant=ask.caller.tenant,
        path=ask.path,
        body=ask.body,
        policy=ask.hints.policy,
        hints={name: getattr(ask.hints, name) for name in _HINTS},
    )


def _unknown(job_id: str) -> Refusal:
    return Refusal(404, "job_not_found", f"unknown job {job_id[:64]!r}", param="id")
