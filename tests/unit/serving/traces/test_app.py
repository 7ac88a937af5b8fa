"""The collector's bounds: what does not fit is sent back whole, and what fits is not held up."""

import asyncio
import os
import threading

import orjson
import pytest

from goldsmith.config.serving import TraceSettings
from goldsmith.serving.traces.app import CollectorApp
from goldsmith.serving.traces.archive import Choice, read
from goldsmith.serving.traces.collector import Collector


@pytest.fixture
def collector(tmp_path, store):
    """Makes a collector with these settings."""

    def make(**settings):
        return Collector(TraceSettings(**settings), store, tmp_path / "log")

    return make


async def post(app, *pieces, more=False):
    """Status, headers and answer of a POST; with `more` its body never ends."""
    waiting, sent = list(pieces), []

    async def receive():
        if waiting:
            body = waiting.pop(0)
            return {"type": "http.request", "body": body, "more_body": more or bool(waiting)}
        return await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/v1/traces"}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), orjson.loads(sent[1]["body"])


def body(start, count):
    return orjson.dumps(
        [{"request_id": f"r{n}", "tenant": "a"} for n in range(start, start + count)]
    )


def test_bodies_that_are_read_at_once_are_bounded(collector):
    async def run():
        made = collector()
        app = CollectorApp(made)
        made.start()
        piece = b" " * (4 << 20)
        slow = [asyncio.create_task(post(app, piece, piece, more=True)) for _ in range(4)]
        await asyncio.sleep(0)
        refused = await post(app, piece)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        after = await post(app, body(0, 1))
        await made.close()
        return refused, after

    (status, headers, answer), after = asyncio.run(run())
    assert (
        status == 503 and headers[b"retry-after"] == b"1" and "read" in answer["error"]["message"]
    )
    assert after[0] == 200


def test_traces_that_wait_for_the_disk_are_bounded(collector, monkeypatch):
    real, begun, go = os.fsync, threading.Event(), threading.Event()

    def fsync(descriptor):
        begun.set()
        go.wait(20)
        real(descriptor)

    async def run():
        made = collector(max_pending=10)
        app = CollectorApp(made)
        made.start()
        monkeypatch.setattr(os, "fsync", fsync)
        first = asyncio.create_task(post(app, body(0, 10)))
        await asyncio.to_thread(begun.wait, 20)  # the writer has the first post
        second = asyncio.create_task(post(app, body(10, 10)))
        await asyncio.sleep(0)
        third = await post(app, body(20, 1))
        go.set()
        answers = (await first)[0], (await second)[0], third[0]
        await made.close()
        return answers

    assert asyncio.run(run()) == (200, 200, 503)


def test_posts_that_come_during_a_sync_share_the_next_one(collector, monkeypatch):
    real, calls = os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        real(descriptor)

    async def run():
        made = collector()
        app = CollectorApp(made)
        made.start()
        monkeypatch.setattr(os, "fsync", fsync)
        await asyncio.gather(*(post(app, body(n, 1)) for n in range(50)))
        synced = len(calls)
        await made.close()
        return synced

    assert asyncio.run(run()) < 10


def test_an_unforeseen_error_is_answered_and_the_collector_goes_on(collector, monkeypatch):
    async def run():
        made = collector()
        made.start()
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await made.keep(orjson.loads(body(0, 1)))
        kept = await made.keep(orjson.loads(body(0, 1)))
        await made.close()
        return kept.kept

    assert asyncio.run(run()) == 1


def test_a_wrong_time_is_replaced_by_the_collectors_own(collector, store):
    async def run():
        made = collector()
        made.start()
        records = [
            {"request_id": f"r{n}", "tenant": "a", "at": at} for n, at in enumerate([0, 9e99])
        ]
        await made.keep(records)
        await made.close()

    asyncio.run(run())
    assert all(1.7e9 < record["at"] < 9e9 for record in read(store, Choice()))
