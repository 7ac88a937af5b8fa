"""A closed loop of HTTP clients that costs little: each sends, reads to the end, sends again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import orjson

BROKEN = 0
"""Stands for the status of a request whose connection broke or whose answer never came whole."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How one request went."""

    started_s: float
    """Of time.monotonic."""
    first_byte_s: float
    """After the start."""
    total_s: float
    status: int
    events: int
    """Of a stream."""
    body: bytes
    headers: bytes


@dataclass
class Report:
    """Every request of one run."""

    wall_s: float
    samples: list[Sample] = field(default_factory=list)

    @property
    def statuses(self) -> dict[int, int]:
        """How often each was answered."""
        return dict(Counter(sample.status for sample in self.samples))

    @property
    def failed(self) -> int:
        """Requests without a whole 2xx answer."""
        return sum(not 200 <= sample.status < 300 for sample in self.samples)

    def total_ms(self, share: float) -> float:
        """A quantile of the whole time."""
        return quantile([sample.total_s * 1000 for sample in self.samples], share)

    def first_byte_ms(self, share: float) -> float:
        """A quantile of the time to the first byte of the body."""
        return quantile([sample.first_byte_s * 1000 for sample in self.samples], share)


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def post(
    path: str, body: Mapping[str, object] | bytes, headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a POST request."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, f"content-length: {len(data)}", "", ""]).encode() + data


class Reply(asyncio.Protocol):
    """One connection; `ask` sends one request and waits for its whole answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[Sample] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer that was under way is broken, unless its end is the connection's."""
        self.transport = None
        if self.waiter and not self.waiter.done():
            ends_it = self.body_at >= 0 and b"transfer-encoding" not in self.buffer[: self.body_at]
            whole = ends_it and self.length < 0
            self.waiter.set_result(self.sample(int(self.buffer[9:12]) if whole else BROKEN))

    async def ask(self, request: bytes) -> Sample:
        """Send a request."""
        assert self.transport is not None
        self.buffer, self.body_at, self.length, self.first_s = bytearray(), -1, -1, 0.0
        self.bodiless = request.startswith(b"HEAD ")
        self.started_s = time.monotonic()
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiter

    def data_received(self, data: bytes) -> None:
        """Ends the wait once the answer is whole."""
        if not self.waiter or self.waiter.done():
            return
        self.buffer += data
        if self.body_at < 0:
            self._read_head()
        if self.body_at >= 0 and not self.first_s and len(self.buffer) > self.body_at:
            self.first_s = time.monotonic() - self.started_s
        if self._whole():
            self.waiter.set_result(self.sample(int(self.buffer[9:12])))

    def _read_head(self) -> None:
        end = self.buffer.find(b"\r\n\r\n")
        if end >= 0 and self.buffer.startswith(b"HTTP/1.1 1"):  # 100 Continue, the answer follows
            del self.buffer[: end + 4]
            end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        self.body_at, head = end + 4, bytes(self.buffer[:end]).lower()
        at = head.find(b"content-length:")
        if at >= 0:
            self.length = int(head[at + 15 :].split(b"\r", 1)[0])

    def _whole(self) -> bool:
        if self.body_at < 0:
            return False
        if self.bodiless or self.buffer.startswith(b"HTTP/1.1 204"):
            return True
        if self.length >= 0:
            return len(self.buffer) >= self.body_at + self.length
        return self.buffer.endswith(b"0\r\n\r\n")

    def sample(self, status: int) -> Sample:
        body_at = max(self.body_at, 0)
        total_s = time.monotonic() - self.started_s
        return Sample(
            self.started_s,
            self.first_s or total_s,
            total_s,
            status,
            self.buffer.count(b"data: "),
            bytes(self.buffer[body_at:]),
            bytes(self.buffer[:body_at]),
        )


async def closed_loop(
    port: int, requests: Iterator[bytes], *, concurrency: int, timeout_s: float = 60.0
) -> Report:
    """Send all of `requests` over `concurrency` connections to a port of this machine."""
    samples: list[Sample] = []
    started = time.monotonic()
    workers = [_worker(port, requests, samples, timeout_s) for _ in range(concurrency)]
    await asyncio.gather(*workers)
    return Report(time.monotonic() - started, samples)


async def paced_loop(port: int, requests: Iterator[bytes], *, per_s: float) -> Report:
    """Send all of `requests` at a steady pace, each on a connection that is free at its time.

    Times count from when a request was due, so that a slow answer is not hidden by waiting for it.
    """
    loop, idle, samples = asyncio.get_running_loop(), list[Reply](), list[Sample]()
    started = time.monotonic()

    async def one(request: bytes, due: float) -> None:
        reply = idle.pop() if idle else Reply()
        if reply.transport is None or reply.transport.is_closing():
            _, reply = await loop.create_connection(Reply, "127.0.0.1", port)
        sample = await reply.ask(request)
        late_s = sample.started_s - due
        samples.append(
            replace(
                sample, total_s=sample.total_s + late_s, first_byte_s=sample.first_byte_s + late_s
            )
        )
        idle.append(reply)

    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = started + number / per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(one(request, due))
    for reply in idle:
        if reply.transport:
            reply.transport.close()
    return Report(time.monotonic() - started, samples)


async def _worker(
    port: int, requests: Iterator[bytes], samples: list[Sample], timeout_s: float
) -> None:
    loop = asyncio.get_running_loop()
    reply = Reply()
    for request in requests:
        if reply.transport is None or reply.transport.is_closing():
            _, reply = await loop.create_connection(Reply, "127.0.0.1", port)
        assert reply.transport is not None
        try:
            samples.append(await asyncio.wait_for(reply.ask(request), timeout_s))
        except TimeoutError:
            samples.append(reply.sample(BROKEN))
            reply.transport.abort()
    if reply.transport is not None:
        reply.transport.close()
        await asyncio.sleep(0)
