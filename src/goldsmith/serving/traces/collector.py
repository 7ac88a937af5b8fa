"""The collector's core: what it acknowledges is scrubbed and on the disk, and goes to the store.

One thread scrubs, writes and syncs; while it does, further posts gather and share the next sync.
Another seals. What waits is bounded: beyond it, and with a full disk, posts are refused (`Busy`)
and their sender keeps them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from goldsmith.config.serving import TraceSettings
from goldsmith.errors import GoldsmithError, StoreError
from goldsmith.serving.traces.journal import Journal, read_segment
from goldsmith.serving.traces.record import kept_fields, mistake
from goldsmith.serving.traces.scrub import Scrubber
from goldsmith.serving.traces.sealer import seal_segment
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

REMEMBERED = 100_000
"""Request ids by which a trace that is sent twice is known again."""
EARLIEST, AHEAD_S = 1e9, 86_400.0
"""A time before the one, or so far in the future, is wrong: the collector's own is taken."""
SEAL_EVERY_S, SEAL_AGAIN_S = 1.0, 5.0


class Busy(StoreError):
    """Nothing was kept; the sender keeps its traces and comes again after `retry_after_s`."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(what, why=why, fix=fix)


@dataclass(frozen=True)
class Kept:
    """What became of one post: all but the refused are durable."""

    kept: int
    refused: tuple[tuple[int, str], ...] = ()
    """(place in the post, why)."""


@dataclass
class Totals:
    """Since the start."""

    acknowledged: int = 0
    duplicates: int = 0
    refused: int = 0
    busy: int = 0
    """Traces that were sent back for want of room."""
    sealed: int = 0
    """Traces in the store."""
    seal_failures: int = 0


@dataclass
class _Post:
    records: Sequence[Any]
    done: asyncio.Future[Kept]


@dataclass
class _Batch:
    """What one sync makes durable."""

    lines: dict[str, bytes] = field(default_factory=dict)
    """By request id."""
    answers: list[Kept] = field(default_factory=list)
    duplicates: int = 0


class Collector:
    """Keeps posts in `directory` and seals them into `store`."""

    def __init__(self, settings: TraceSettings, store: ObjectStore, directory: Path) -> None:
        self.totals = Totals()
        self.journal = Journal(
            directory, max_disk_bytes=settings.max_disk_bytes, seal_s=settings.seal_s
        )
        self.scrubber = Scrubber(_salt(directory))
        self._settings, self._store = settings, store
        self._seen: dict[str, None] = {}
        for path in self.journal.closed():
            self._remember(orjson.loads(line)["request_id"] for line in read_segment(path))
        self._posts: list[_Post] = []
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="traces-writer")
        self._sealer = ThreadPoolExecutor(1, thread_name_prefix="traces-sealer")
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Traces that wait for the next sync."""
        return sum(len(post.records) for post in self._posts)

    def start(self) -> None:
        """Begin to write and to seal, in the running loop."""
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._seal())]

    async def keep(self, records: Sequence[Any]) -> Kept:
        """Return when the traces are durable; Busy if there is no room for them."""
        waiting = self.waiting
        room = not waiting or waiting + len(records) <= self._settings.max_pending
        if self._closing.is_set() or not room:
            self.totals.busy += len(records)
            raise Busy("the trace collector is busy", why=f"{waiting} traces wait")
        post = _Post(records, asyncio.get_running_loop().create_future())
        self._posts.append(post)
        self._wake.set()
        return await post.done

    async def close(self) -> None:
        """Keep what waits, seal what is there, and stop; what the store refuses stays local."""
        self._closing.set()
        self._wake.set()
        await asyncio.gather(*self._tasks)
        self.journal.close()
        self._writer.shutdown()
        self._sealer.shutdown()

    async def _write(self) -> None:
        while not (self._closing.is_set() and not self._posts):
            await self._wake.wait()
            if not self._closing.is_set():
                self._wake.clear()
            posts, self._posts = self._posts, []
            if posts:
                await self._commit(posts)

    async def _commit(self, posts: Sequence[_Post]) -> None:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._writer, self._append, posts)
        except GoldsmithError as error:
            log.warning("%s", error)
            self.totals.busy += sum(len(post.records) for post in posts)
            wait_s = max(1, round(min(self._settings.seal_s, 30)))
            for post in posts:
                _set(post.done, Busy(error.what, why=error.why, retry_after_s=wait_s))
        except Exception as error:  # whatever it was, nobody must wait for ever
            log.exception("Traces were not written")
            for post in posts:
                _set(post.done, error)
        else:
            for post, answer in zip(posts, answers, strict=True):
                _set(post.done, answer)

    def _append(self, posts: Sequence[_Post]) -> list[Kept]:
        """Scrub and write what several posts hold (in the writer's thread)."""
        batch = _Batch()
        for post in posts:
            batch.answers.append(self._prepare(post.records, batch))
        if batch.lines:
            self.journal.append(list(batch.lines.values()))
        self._remember(batch.lines)
        self.totals.acknowledged += sum(answer.kept for answer in batch.answers)
        self.totals.refused += sum(len(answer.refused) for answer in batch.answers)
        self.totals.duplicates += batch.duplicates
        return batch.answers

    def _prepare(self, records: Sequence[Any], batch: _Batch) -> Kept:
        refused = []
        for index, record in enumerate(records):
            if why := mistake(record):
                refused.append((index, why))
            elif (name := record["request_id"]) in self._seen or name in batch.lines:
                batch.duplicates += 1
            else:
                try:
                    batch.lines[name] = self._line(record)
                except (ValueError, TypeError, RecursionError) as error:
                    refused.append((index, str(error)))
        return Kept(len(records) - len(refused), tuple(refused))

    def _line(self, record: dict[str, Any]) -> bytes:
        at, now = float(record.get("at", 0.0)), time.time()
        dated = {**record, "at": at if EARLIEST <= at <= now + AHEAD_S else now}
        return orjson.dumps(self.scrubber.record(kept_fields(dated)))

    def _remember(self, names: Any) -> None:
        self._seen.update(dict.fromkeys(names))
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    async def _seal(self) -> None:
        """First what an earlier process left, then whatever is old enough, at last everything."""
        while True:
            closing = self._closing.is_set()
            good = await self._seal_all(force=closing)
            if closing:
                return
            with contextlib.suppress(TimeoutError):
                wait_s = SEAL_EVERY_S if good else SEAL_AGAIN_S
                await asyncio.wait_for(self._closing.wait(), wait_s)

    async def _seal_all(self, *, force: bool) -> bool:
        """Seal what is old enough, or everything; False if the store refused."""
        loop = asyncio.get_running_loop()
        if force:
            await self._tasks[0]
        await loop.run_in_executor(self._writer, lambda: self._rotate(force=force))
        good = True
        for path in self.journal.closed():
            try:
                sealed = await loop.run_in_executor(self._sealer, seal_segment, self._store, path)
            except Exception as error:  # whatever it was, the other segments must not wait
                good = False
                self.totals.seal_failures += 1
                log.warning("Segment %s stays here: %s", path.stem, error)
                continue
            self.totals.sealed += sealed.records
            await loop.run_in_executor(self._writer, self.journal.remove, path)
        return good

    def _rotate(self, *, force: bool) -> None:
        self.journal.rotate(now=time.time(), force=force)


def _set(future: asyncio.Future[Kept], value: Kept | Exception) -> None:
    """Answer, unless the post was given up."""
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)


def _salt(directory: Path) -> bytes:
    """The salt of this volume: made once, never leaves it."""
    path, temporary = directory / "salt", directory / "salt.new"
    if not path.exists():
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    salt = path.read_bytes()
    if len(salt) != 32:
        raise StoreError(f"{path} is damaged", fix="remove it; tokens change from then on")
    return salt
