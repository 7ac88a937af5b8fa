"""A real collector: what it acknowledged is in the store once, through kills and full disks."""

import asyncio
import gzip
import json
import random
import socket
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from typer.testing import CliRunner

from goldsmith.cli.traces import app as cli
from goldsmith.config.serving import TraceSettings
from goldsmith.serving.traces.journal import read_segment
from goldsmith.serving.traces.sender import Sender
from tests.bench.bench_traces import survive
from tests.fixtures.collectors import CollectorProcess, get, post, stored, traces

MAIL, KEY = "jane.doe@example.org", "ghp_" + "a1B2" * 9


@pytest.fixture
def collector(tmp_path, store_url):
    """A collector on an empty directory; started by the test."""
    process = CollectorProcess(tmp_path / "log", store_url, {"seal_s": 0.2})
    yield process
    if process.process and process.process.poll() is None:
        process.kill()


@pytest.fixture
def local(tmp_path):
    """A collector whose store is a directory, and which seals at its end only."""
    process = CollectorProcess(tmp_path / "log", str(tmp_path / "store"), {"seal_s": 600})
    yield process
    if process.process and process.process.poll() is None:
        process.kill()


def until(condition, *, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_traces_are_acknowledged_sealed_and_leave_the_disk(collector):
    collector.start()
    assert post(collector.port, traces(0, 50)) == (200, {"kept": 50, "refused": []})
    until(lambda: len(stored(collector.store)) == 50)
    until(lambda: not collector.logs())
    assert collector.stop() == 0


def test_what_is_acknowledged_is_on_the_disk_and_scrubbed(local):
    local.start()
    record = traces(0, 1)[0] | {"answer": f"{MAIL} uses {KEY}"}
    assert post(local.port, [record])[0] == 200
    (path,) = local.logs()
    (line,) = read_segment(path)
    assert b"<e_mail_address:" in line and MAIL.encode() not in line and KEY.encode() not in line


def test_kills_full_disks_and_torn_tails_lose_and_double_nothing(tmp_path):
    found = survive(tmp_path, kills=4, acknowledged=200, rng=random.Random(0))
    assert found["acknowledged"] >= 200 and found["torn_tails"] == 2
    assert not found["lost"] and not found["duplicates_after_dedupe"]
    assert not found["left_in_the_local_log"]


def test_a_full_disk_acknowledges_nothing_and_the_service_goes_on(local):
    local.largest_file, local.settings["seal_s"] = 40_000, 1.0
    local.start()
    acknowledged, full, number = set(), 0, 0
    while full < 3:
        batch = traces(number, 10, size=1000)
        status, answer = post(local.port, batch)
        if status == 200:
            acknowledged |= {record["request_id"] for record in batch}
            number += 10
        else:
            assert status == 503 and "cannot be written" in answer["error"]["message"]
            full += 1
    until(lambda: post(local.port, traces(number, 10, size=1000))[0] == 200)
    acknowledged |= {f"req-{n}" for n in range(number, number + 10)}
    assert local.stop() == 0
    found = stored(local.store)
    assert set(found) == acknowledged and len(found) == len(set(found))


def test_a_store_that_is_gone_keeps_traces_local_until_the_bound(local, tmp_path):
    (tmp_path / "store").write_text("a file where the store should be")
    with pytest.raises(AssertionError, match="died"):
        local.start()
    (tmp_path / "store").unlink()
    local.settings |= {"seal_s": 0.1, "max_disk_bytes": 20_000}
    local.start()
    (tmp_path / "store").write_text("in the way")
    statuses = []
    while 503 not in statuses:
        statuses.append(post(local.port, traces(10 * len(statuses), 10, size=500))[0])
    (tmp_path / "store").unlink()
    count = 10 * (len(statuses) - 1)
    until(lambda: post(local.port, traces(count, 1))[0] == 200)
    until(lambda: len(stored(local.store)) == count + 1)


WRONG = [
    pytest.param(b"{", 400, "JSON", id="no json"),
    pytest.param(b'{"a": 1}', 400, "array", id="no array"),
    pytest.param(b"[" + b"1," * 2000 + b"1]", 413, "at most", id="too many"),
    pytest.param(b'["' + b"x" * (10 << 20) + b'"]', 413, "bytes", id="too large"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One collector for tests that only ask."""
    folder = tmp_path_factory.mktemp("shared")
    process = CollectorProcess(folder / "log", str(folder / "store"), {"seal_s": 600}).start()
    yield process
    process.kill()


@pytest.mark.parametrize(("body", "status", "word"), WRONG)
def test_a_wrong_post_is_told_why(shared, body, status, word):
    found, answer = post(shared.port, body)
    assert found == status and word in answer["error"]["message"]


def test_wrong_traces_are_refused_and_their_neighbours_kept(shared):
    nested = "x"
    for _ in range(200):
        nested = [nested]
    good = traces(7000, 1)[0]
    bad = [7, {"tenant": "a"}, good | {"request_id": "a b"}, good | {"status": "200"},
           good | {"request_id": "deep", "prompt": nested}]  # fmt: skip
    status, answer = post(shared.port, [*bad, good])
    assert status == 200 and answer["kept"] == 1
    assert [refused["index"] for refused in answer["refused"]] == [0, 1, 2, 3, 4]


def test_a_trace_that_comes_again_is_acknowledged_and_kept_once(shared):
    record = traces(8000, 1)
    assert post(shared.port, record)[0] == post(shared.port, record)[0] == 200
    lines = [line for path in shared.logs() for line in read_segment(path)]
    assert sum(b'"req-8000"' in line for line in lines) == 1


def test_only_three_routes_answer(shared):
    assert get(shared.port, "/")[0] == 404
    assert get(shared.port, "/v1/traces")[0] == 405
    assert get(shared.port, "/health")[0] == 200


def test_metrics_count_what_happened(shared):
    post(shared.port, [traces(9000, 1)[0] | {"answer": MAIL}])
    text = get(shared.port, "/metrics")[1]
    assert "goldsmith_traces_acknowledged_total" in text
    assert 'goldsmith_traces_scrubbed_total{kind="E-mail Address"}' in text


def test_a_sender_that_hangs_up_costs_nothing(shared):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", shared.port)) as connection:
            connection.sendall(
                b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n["
            )
    assert post(shared.port, traces(9100, 1))[0] == 200


# The router's end.


class Wire:
    """A collector that answers as it is told, and notes what came."""

    def __init__(self, *statuses):
        self.statuses, self.bodies = list(statuses), []

    async def answer(self, request):
        body = await request.json()
        self.bodies.append(body)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.json_response({"kept": len(body), "refused": []}, status=status)


def with_sender(wire, work, **settings):
    """Run `work(sender)` against the wire."""

    async def run():
        server = web.Application(client_max_size=1 << 30)
        server.router.add_post("/v1/traces", wire.answer)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession() as session:
            sender = Sender(
                TraceSettings(collector=f"http://127.0.0.1:{port}", **settings), session
            )
            sender.start()
            result = await work(sender)
            await sender.close()
        await runner.cleanup()
        return sender, result

    return asyncio.run(run())


async def drained(sender):
    while sender.pending:
        await asyncio.sleep(0.01)


def test_the_sender_sends_batches_with_consent():
    wire = Wire()

    async def work(sender):
        taken = [sender.offer(record) for record in traces(0, 600)]
        await drained(sender)
        return taken

    sender, taken = with_sender(wire, work, consenting=("acme",))
    assert all(taken) and sender.counts.kept == 600 and len(wire.bodies) == 3
    assert all(record["consent"] is True for body in wire.bodies for record in body)


@pytest.mark.parametrize("status", [503, 429, 500])
def test_the_sender_tries_again_until_the_traces_are_durable(status):
    wire = Wire(status, status)

    async def work(sender):
        sender.offer(traces(0, 1)[0])
        await drained(sender)

    sender, _ = with_sender(wire, work)
    assert len(wire.bodies) == 3 and sender.counts.kept == 1 and sender.counts.retries == 2
    assert sender.shed_total == 0


def test_a_batch_that_is_refused_for_good_is_shed_and_the_next_one_goes():
    wire = Wire(400)

    async def work(sender):
        sender.offer(traces(0, 1)[0])
        await drained(sender)
        sender.offer(traces(1, 1)[0])
        await drained(sender)

    sender, _ = with_sender(wire, work)
    assert (sender.shed_total, sender.counts.kept) == (1, 1)


def test_without_room_traces_are_shed_and_counted_at_once():
    async def run():
        async with aiohttp.ClientSession() as session:
            settings = TraceSettings(collector="http://127.0.0.1:9", max_pending=10)
            sender = Sender(settings, session)
            sender.start()
            started = time.perf_counter()
            taken = [sender.offer(record) for record in traces(0, 1000)]
            took = time.perf_counter() - started
            await sender.close(timeout_s=0.05)
            return sender, taken, took

    sender, taken, took = asyncio.run(run())
    assert sum(taken) == 10 and took < 1
    assert sender.shed_total == 1000 and sender.pending == 0


def test_what_has_no_json_form_or_is_too_large_is_shed():
    async def run():
        async with aiohttp.ClientSession() as session:
            sender = Sender(TraceSettings(collector="http://127.0.0.1:9"), session)
            record = traces(0, 1)[0]
            wrong = [{"answer": object()}, {"answer": "x" * (5 << 20)}, {"answer": "\ud800"}]
            return [sender.offer(record | each) for each in wrong], sender.shed_total

    assert asyncio.run(run()) == ([False, False, False], 3)


def test_policy_comes_before_the_queue():
    async def run():
        async with aiohttp.ClientSession() as session:
            settings = TraceSettings(collector="http://127.0.0.1:9", sample={"acme": 0.0})
            sender, off = Sender(settings, session), Sender(TraceSettings(), session)
            record = traces(0, 1)[0]
            taken = sender.offer(record), off.offer(record), off.wants("acme", "r")
            return taken, sender.counts.skipped

    assert asyncio.run(run()) == ((False, False, False), 1)


def test_a_collector_that_comes_back_gets_everything(local):
    local.start()
    local.kill()

    async def run():
        async with aiohttp.ClientSession() as session:
            sender = Sender(TraceSettings(collector=local.url), session)
            sender.start()
            for record in traces(0, 300):
                assert sender.offer(record)
            while not sender.counts.retries:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(local.start)
            await drained(sender)
            await sender.close()
            return sender.counts

    counts = asyncio.run(run())
    assert (counts.kept, counts.shed) == (300, 0)
    assert local.stop() == 0
    assert len(stored(local.store)) == 300


# The command line.


@pytest.fixture
def kept(collector):
    """A store with traces of two tenants, which the collector has sealed."""
    collector.start()
    post(collector.port, traces(0, 5) + traces(5, 3, tenant="other"))
    assert collector.stop() == 0
    return collector


def run(*arguments):
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_traces_are_listed_counted_and_exported(kept, tmp_path):
    where = ("--store", kept.store)
    last = json.loads(run("tail", "-n", "2", "--json", *where))
    assert [record["request_id"] for record in last] == ["req-6", "req-7"]
    assert "req-4" in run("tail", "--tenant", "acme", *where)
    stats = json.loads(run("stats", "--json", *where))
    assert stats["records"] == 8 and stats["tenants"] == {"acme": 5, "other": 3}
    output = tmp_path / "out.jsonl"
    run("export", str(output), "--tenant", "acme", *where)
    exported = [json.loads(line)["request_id"] for line in output.read_text().splitlines()]
    assert exported == [f"req-{number}" for number in range(5)]


def test_forgetting_a_tenant_leaves_the_others(kept):
    where = ("--store", kept.store)
    would = json.loads(run("forget", "--tenant", "acme", "--dry-run", "--json", *where))
    assert would["traces"] == 5 and len(stored(kept.store)) == 8
    gone = json.loads(run("forget", "--tenant", "acme", "--json", *where))
    assert gone["traces"] == 5
    assert stored(kept.store) == ["req-5", "req-6", "req-7"]


def test_forgetting_covers_the_local_log_whose_collector_does_not_run(local):
    local.start()
    post(local.port, traces(0, 4) + traces(4, 2, tenant="other"))
    local.kill()
    run("forget", "--tenant", "acme", "--directory", str(local.directory), "--store", local.store)
    assert not local.logs() and stored(local.store) == ["req-4", "req-5"]
    texts = [gzip.decompress(path.read_bytes()) for path in _objects(local)]
    assert texts and not any(b"acme" in text for text in texts)


def _objects(process):
    return list(Path(process.store).rglob("*.jsonl.gz"))
