"""The router's end: offering a trace never waits, and what does not fit is shed and counted.

    sender = Sender(config.traces, session)   # an aiohttp.ClientSession of the router's
    sender.start()                            # in the running loop
    sender.offer(record)                      # after each request; True: taken
    await sender.close(timeout_s=5)           # at the end of the drain

A batch is sent again until the collector says that it is durable, so one may arrive twice; the
collector and every reader drop what has a `request_id` that they know.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from goldsmith.config.serving import TraceSettings
from goldsmith.serving.traces.policy import consents, keeps
from goldsmith.serving.traces.record import MAX_BATCH, MAX_BATCH_BYTES, MAX_RECORD_BYTES

log = logging.getLogger(__name__)

MAX_PENDING_BYTES = 64 << 20
LINGER_S = 0.05
"""A batch waits so long for company."""
ATTEMPT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
"""Between two attempts, doubled each time."""
_UNREACHED = (aiohttp.ClientError, OSError, TimeoutError, RuntimeError, ValueError, LookupError)
"""No answer, a closed session, or an answer that is no collector's."""


@dataclass(slots=True)
class Counts:
    """What became of the traces, since the start."""

    offered: int = 0
    skipped: int = 0
    """By sampling or for want of consent."""
    shed: int = 0
    """Given up for want of room, time or sense; the requests themselves are untouched."""
    kept: int = 0
    """Acknowledged as durable."""
    retries: int = 0


class Sender:
    """Sends traces in batches from a bounded queue; with no collector every offer is refused."""

    def __init__(self, settings: TraceSettings, session: aiohttp.ClientSession) -> None:
        self.counts = Counts()
        self._settings, self._session = settings, session
        self._url = f"{settings.collector.rstrip('/')}/v1/traces" if settings.collector else ""
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sending = 0
        self._wake, self._closing = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def shed_total(self) -> int:
        """Traces given up so far."""
        return self.counts.shed

    @property
    def pending(self) -> int:
        """Traces taken and not yet acknowledged."""
        return len(self._waiting) + self._sending

    def wants(self, tenant: str, request_id: str) -> bool:
        """Whether a trace of this request would be taken, so that no record is built in vain."""
        return bool(self._url) and keeps(self._settings, tenant, request_id)

    def offer(self, record: dict[str, Any]) -> bool:
        """Take a trace if policy and room allow; returns at once, and never raises.

        `consent` is set here, from the tenant's settings.
        """
        if not self._url:
            return False
        self.counts.offered += 1
        tenant, request_id = str(record.get("tenant", "")), str(record.get("request_id", ""))
        if not keeps(self._settings, tenant, request_id):
            self.counts.skipped += 1
            return False
        return self._take({**record, "consent": consents(self._settings, tenant)})

    def _take(self, record: dict[str, Any]) -> bool:
        try:
            data = orjson.dumps(record)
        except (TypeError, ValueError) as error:
            log.warning("A trace has no JSON form (%s)", error)
            data = b""
        if not data or not self._fits(len(data)):
            self.counts.shed += 1
            return False
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._wake.set()
        return True

    def _fits(self, size: int) -> bool:
        return (
            size <= MAX_RECORD_BYTES
            and self.pending < self._settings.max_pending
            and self._waiting_bytes + size <= MAX_PENDING_BYTES
        )

    def start(self) -> None:
        """Begin to send, in the running loop."""
        if self._url and self._task is None:
            self._task = asyncio.create_task(self._run(), name="traces")

    async def close(self, *, timeout_s: float = 5.0) -> None:
        """Send what waits, for at most `timeout_s`; the rest counts as shed."""
        self._closing.set()
        self._wake.set()
        if self._task:
            await asyncio.wait([self._task], timeout=timeout_s)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self.counts.shed += self.pending
        self._waiting.clear()
        self._waiting_bytes = self._sending = 0

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if len(self._waiting) < MAX_BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), LINGER_S)
            if batch := self._next_batch():
                await self._deliver(batch)
            elif self._closing.is_set():
                return

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 2
        while self._waiting and len(batch) < MAX_BATCH:
            size += len(self._waiting[0]) + 1
            if batch and size > MAX_BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
            self._waiting_bytes -= len(batch[-1])
        self._sending = len(batch)
        if not self._waiting and not self._closing.is_set():
            self._wake.clear()
        return batch

    async def _deliver(self, batch: list[bytes]) -> None:
        """Until the collector has them, or says that it never will."""
        body, wait_s = b"[" + b",".join(batch) + b"]", FIRST_WAIT_S
        while (kept := await self._post(body)) is None:
            self.counts.retries += 1
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        self.counts.kept += kept
        self.counts.shed += len(batch) - kept
        self._sending = 0

    async def _post(self, body: bytes) -> int | None:
        """How many traces are durable now; None: try again."""
        headers = {"content-type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=ATTEMPT_S)
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=timeout
            ) as reply:
                answer = await reply.read()
            if reply.status == 200:
                return int(orjson.loads(answer)["kept"])
        except _UNREACHED as error:
            log.debug("Traces wait for %s: %s", self._url, error)
            return None
        if reply.status in (408, 425, 429) or reply.status >= 500:
            return None
        log.warning("The trace collector refused a batch: %s %s", reply.status, answer[:200])
        return 0
