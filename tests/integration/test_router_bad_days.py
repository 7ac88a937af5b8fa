"""Bad engines and hostile clients before the router as a program: small counts of the benches."""

import asyncio
from collections import Counter

import pytest

from tests.bench import bench_availability, bench_fuzz, bench_router
from tests.bench.judge import Judge, ask
from tests.bench.load import Sample, post
from tests.bench.wire_fuzz import Case, cases
from tests.fixtures.fake_engine import FakeEngine, Fault
from tests.fixtures.routers import running_router
from tests.fixtures.serving import authorization, serving_values


@pytest.mark.parametrize(
    ("day", "broken_off"),
    [
        pytest.param("dead", 4, id="dead"),  # streams that had begun
        pytest.param("slow", 0, id="slow"),
        pytest.param("500", 0, id="answers 500"),
        pytest.param("resetting", 10, id="resetting"),  # streams, until the breaker opens
        pytest.param("half-open", 0, id="half-open"),
    ],
)
def test_requests_are_served_while_one_of_three_engines_is(day, broken_off):
    run = bench_availability.run(seconds=0.8, per_s=150, seed=0, days=[day])
    (episode,) = asyncio.run(run)["episodes"]
    assert episode["failed"] <= broken_off, episode
    assert episode["failover_s"] <= 1.0, episode
    assert episode["resent_after_first_byte"] == 0, episode


@pytest.mark.parametrize("kind", ["dead", "error", "refuse", "reset", "busy"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_no_error_tells_where_the_engines_are(kind, stream):
    async def run():
        async with (
            FakeEngine() as engine,
            running_router(serving_values({"gold": [engine.url]})) as router,
        ):
            if kind == "dead":
                await engine.die()
            else:
                engine.fault = Fault(kind)
            message = {"role": "user", "content": "x"}
            body = {"model": "gold", "messages": [message], "stream": stream}
            case = Case(kind, post("/v1/chat/completions", body, authorization()))
            sample = await ask(router.server.public.port, case)
        assert b'"error"' in sample.body
        address = engine.url.removeprefix("http://")
        for word in (address, address.partition(":")[2], "127.0.0.1", "Errno", "aiohttp"):
            assert word.encode() not in sample.headers + sample.body

    asyncio.run(run())


def test_no_fuzzed_request_crashes_the_router_or_makes_it_talk():
    found = asyncio.run(bench_fuzz.malformed(1600, seed=7))
    assert found["requests"] >= 2000
    assert not found["violations"], found["examples"]
    assert found["crashes"] == 0, found["log"]
    assert found["healthy"]
    assert found["in_flight"] == 0
    assert found["open_files"]["after"] <= found["open_files"]["before"] + 8


def test_no_credential_that_is_nearly_right_gets_in():
    found = asyncio.run(bench_fuzz.with_engine(bench_fuzz.auth))
    assert found["cases"] >= 500
    assert not found["through"]
    assert not found["wrong"]
    assert found["leaks"] == found["crashes"] == 0


def test_no_address_or_path_in_a_request_reaches_a_socket_or_a_file():
    found = asyncio.run(bench_fuzz.with_engine(bench_fuzz.paths))
    assert found["cases"] >= 300
    assert not found["reached"]
    assert not found["errors"]
    assert found["crashes"] == 0


def test_the_fuzzer_sends_the_same_for_the_same_seed_and_every_kind():
    assert [each.data for each in cases(50, 3)] == [each.data for each in cases(50, 3)]
    assert len(Counter(each.kind for each in cases(500, 3))) == 8


@pytest.mark.parametrize(
    ("status", "body", "violation"),
    [
        pytest.param(500, b"", "5xx", id="a server error"),
        pytest.param(0, b"", "no answer", id="no answer"),
        pytest.param(400, b"see /work/secret", "leak", id="a leak"),
        pytest.param(400, b'{"detail": "no"}', "error without OpenAI's shape", id="another shape"),
        pytest.param(404, b"{}", "good request refused", id="a good request refused"),
    ],
)
def test_the_fuzzers_judge_sees(status, body, violation):
    judge = Judge((b"/work/secret",))
    judge.see(Case("valid", b""), Sample(0.0, 0.0, 0.0, status, 0, body, b""))
    assert judge.violations[violation] == 1


def test_the_bench_measures_the_router_beside_a_raw_proxy_and_says_what_it_left_out():
    found = bench_router.run(scale=0.01, rounds=1, chunks=4)
    measured = {row["proxy"] for row in found["rows"]}
    assert {"direct", "raw ASGI", "goldsmith"} <= measured
    assert measured | set(found["skipped"]) >= {"nginx", "kserve transformer", "litellm"}
    figures = {figure["name"]: figure for figure in found["figures"]}
    assert figures["failed requests"]["value"] == 0
    assert figures["CPU a request, over raw ASGI, c=16"]["value"] > 0
    assert figures["over LiteLLM"]["holds"] is None
