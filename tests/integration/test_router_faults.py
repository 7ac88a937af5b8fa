"""Bad days: what the router does when engines or clients break off."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import orjson
import pytest

from tests.fixtures.fake_engine import FakeEngine, Fault
from tests.fixtures.router import (
    CHAT,
    TestRouter,
    chat_body,
    engine,
    events_of,
    running_router,
    text_of,
    until,
)
from tests.fixtures.serving import authorization
from tests.fixtures.wire import Exchange, WireServer

TWO = {"gold": [engine("gold"), engine("gold")]}
HEADERS = {**authorization(), "content-type": "application/json"}


def first_choice(router: TestRouter) -> FakeEngine:
    """The engine that an idle router asks first."""
    return min(router.engines["gold"], key=lambda each: each.url)


def begin(router: TestRouter, body: dict[str, Any]) -> Any:
    """A request whose answer the test reads itself."""
    return router.session.post(router.url + CHAT, json=body, headers=HEADERS)


@pytest.mark.parametrize("kind", ["refuse", "error", "busy"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_failure_before_the_first_byte_is_tried_elsewhere(kind: Any, stream: bool) -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            first_choice(router).fault = Fault(kind)
            replies = [await router.chat(stream=stream) for _ in range(6)]
            assert {reply.status for reply in replies} == {200}
            assert router.in_flight() == 0

    asyncio.run(run())


def test_a_dead_engine_is_left_alone_and_comes_back() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            dead = first_choice(router)
            await dead.die()
            replies = [await router.chat() for _ in range(8)]
            assert {reply.status for reply in replies} == {200}
            replica = router.core.fleet.replicas[dead.url]
            assert not replica.healthy
            await dead.revive()
            await until(lambda: replica.healthy)

    asyncio.run(run())


def test_every_replica_down_says_when_to_come_back() -> None:
    async def run() -> None:
        async with running_router() as router:
            await router.engines["gold"][0].die()
            first = await router.chat()
            second = await router.chat()
            assert (first.status, second.status) == (502, 503)
            assert second.error["code"] == "no_healthy_endpoint"
            assert int(second.headers["Retry-After"]) >= 1
            assert "127.0.0.1" not in first.body.decode()
            assert (await router.request("GET", "/health/ready", key="")).status == 503

    asyncio.run(run())


def test_a_late_first_byte_is_hedged_and_the_loser_cancelled() -> None:
    async def run() -> None:
        async with running_router(TWO, router={"hedge_share": 1.0}) as router:
            slow = first_choice(router)
            slow.fault = Fault("slow", delay_s=5.0)
            for _ in range(4):
                began = time.monotonic()
                reply = await router.chat(stream=True)
                assert reply.status == 200
                assert time.monotonic() - began < 2.0
            asked = slow.generated()
            assert asked
            await until(lambda: all(each.outcome == "cancelled" for each in asked))
            assert router.core.metrics.hedges > 0
            assert router.in_flight() == 0

    asyncio.run(run())


def test_hedges_are_few() -> None:
    async def run() -> None:
        async with running_router(TWO, router={"hedge_share": 0.05, "retries": 0}) as router:
            for each in router.engines["gold"]:
                each.fault = Fault("slow", share=0.4, delay_s=0.15)
            for _ in range(40):  # some much later than predicted
                assert (await router.chat(stream=True)).status == 200
            assert 1 <= router.core.metrics.hedges <= 1 + 0.05 * 40

    asyncio.run(run())


def test_a_silent_replica_loses_its_requests_to_another_one() -> None:
    async def run() -> None:
        async with running_router(TWO, router={"hedge_share": 0.0}) as router:
            first_choice(router).fault = Fault("hang")
            began = time.monotonic()
            replies = await asyncio.gather(*(router.chat(stream=True) for _ in range(8)))
            assert {reply.status for reply in replies} == {200}
            assert time.monotonic() - began < 10.0  # the first-byte timeout is 30 s
            assert router.in_flight() == 0

    asyncio.run(run())


def test_a_first_byte_that_never_comes_is_given_up() -> None:
    async def run() -> None:
        limits = {"first_byte_timeout_ms": 300.0, "retries": 0}
        async with running_router(router=limits) as router:
            router.engines["gold"][0].fault = Fault("hang")
            reply = await router.chat(stream=True)
            assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")
            await until(lambda: router.engines["gold"][0].generated()[0].outcome == "cancelled")
            assert router.in_flight() == 0

    asyncio.run(run())


def test_after_the_first_byte_nothing_is_sent_again() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            for each in router.engines["gold"]:
                each.fault = Fault("reset")
            reply = await router.chat(stream=True)
            events = events_of(reply.body)
            assert events[-1]["error"]["code"] == "stream_broken"
            assert [each for each in events[:-1] if "error" in each] == []
            assert "[DONE]" not in events
            assert sum(len(each.generated()) for each in router.engines["gold"]) == 1
            assert router.in_flight() == 0

    asyncio.run(run())


def test_a_whole_answer_that_breaks_off_is_tried_elsewhere() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            first_choice(router).fault = Fault("reset")
            replies = [await router.chat() for _ in range(4)]
            assert {reply.status for reply in replies} == {200}

    asyncio.run(run())


def test_a_stream_that_stands_still_ends_with_an_error() -> None:
    async def run() -> None:
        async with running_router(router={"idle_timeout_ms": 150.0}) as router:
            router.engines["gold"][0].fault = Fault("drip", delay_s=30.0)
            reply = await router.chat(stream=True)
            assert events_of(reply.body)[-1]["error"]["code"] == "stream_broken"
            await until(lambda: router.engines["gold"][0].generated()[0].outcome == "cancelled")
            assert router.in_flight() == 0

    asyncio.run(run())


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_gone_client_is_told_to_the_engine_within_100_ms(stream: bool) -> None:
    async def run() -> None:
        async with running_router({"gold": [engine("gold", tpot_ms=50, tokens=100)]}) as router:
            fake = router.engines["gold"][0]
            waits = []
            for _ in range(3):
                asking = asyncio.create_task(router.chat(stream=stream))
                count = len(fake.generated())
                await until(lambda count=count: len(fake.generated()) > count)
                await asyncio.sleep(0.06)
                asking.cancel()
                gone_at = time.monotonic()
                await asyncio.gather(asking, return_exceptions=True)
                seen = fake.generated()[-1]
                await until(lambda seen=seen: seen.outcome == "cancelled")
                assert seen.ended_at is not None
                waits.append(seen.ended_at - gone_at)
            assert min(waits) < 0.1, waits
            await until(lambda: router.in_flight() == 0)
            assert router.core.metrics.gone == 3

    asyncio.run(run())


def test_a_client_that_goes_while_it_waits_for_a_slot_leaves_no_trace() -> None:
    async def run() -> None:
        tiers = {"gold": [engine("gold", tpot_ms=20)]}
        async with running_router(tiers) as router:
            gate = router.core.fleet.replicas[router.engines["gold"][0].url].gate
            gate.slots = 1
            tasks = [asyncio.create_task(router.chat()) for _ in range(4)]
            await until(lambda: len(gate.heap) == 3)
            for task in tasks[1:3]:
                task.cancel()
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            assert [getattr(each, "status", 0) for each in replies] == [200, 0, 0, 200]
            await until(lambda: router.in_flight() == 0)
            assert len(router.engines["gold"][0].generated()) == 2

    asyncio.run(run())


def test_the_queue_is_short_and_says_when_to_come_back() -> None:
    async def run() -> None:
        tiers = {"gold": [engine("gold", tpot_ms=20)]}
        async with running_router(tiers, router={"max_waiting": 2}) as router:
            router.core.fleet.replicas[router.engines["gold"][0].url].gate.slots = 1
            replies = await asyncio.gather(*(router.chat() for _ in range(6)))
            refused = [reply for reply in replies if reply.status == 429]
            assert len(refused) == 3
            assert all(reply.headers["Retry-After"] == "1" for reply in refused)
            assert router.in_flight() == 0

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_nothing_stays_in_flight(seed: int) -> None:
    """Random faults and clients that leave: counts return to 0, streams end properly."""
    kinds: tuple[Any, ...] = ("none", "error", "refuse", "reset", "slow", "busy", "flap")

    async def one(router: TestRouter, rng: random.Random) -> None:
        stream = rng.random() < 0.7
        patience_s = rng.choice((0.01, 0.1, 5.0, 5.0, 5.0))
        try:
            async with asyncio.timeout(patience_s):
                reply = await router.chat(rng.choice(("auto", "gold")), stream=stream)
        except TimeoutError:
            return
        assert reply.status in (200, 429, 502, 503, 504)
        if stream and reply.status == 200:
            check_stream(reply.body)

    async def run() -> None:
        rng = random.Random(seed)
        tiers = {
            tier: [engine(tier, tpot_ms=1, slots=4, seed=seed) for _ in range(2)]
            for tier in ("gold", "silver")
        }
        async with running_router(tiers, router={"hedge_share": 0.5, "max_waiting": 8}) as router:
            for each in (*router.engines["gold"], *router.engines["silver"]):
                each.fault = Fault(rng.choice(kinds), share=0.4, delay_s=0.08)
            for _ in range(5):
                await asyncio.gather(*(one(router, rng) for _ in range(24)))
            await until(lambda: router.in_flight() == 0)
            await until(lambda: not router.core.watch.all())

    asyncio.run(run())


def check_stream(body: bytes) -> None:
    """It ends with [DONE] or one error, and is of one version."""
    events = events_of(body)
    errors = [each for each in events if isinstance(each, dict) and "error" in each]
    assert events[-1] == "[DONE]" or events[-1] in errors
    assert len(errors) <= 1
    if errors:
        assert "[DONE]" not in events
    assert len({word.partition(":")[0] for word in text_of(body).split()}) <= 1


def test_a_request_is_never_answered_by_two_versions_or_sent_after_its_first_byte() -> None:
    async def run() -> None:
        async with running_router(TWO, router={"hedge_share": 1.0}) as router:
            for number, each in enumerate(router.engines["gold"]):
                each.fault = Fault("reset" if number else "slow", share=0.5, delay_s=0.05)
            bodies = [
                chat_body(stream=True, messages=[{"role": "user", "content": f"mark-{i}"}])
                for i in range(40)
            ]

            async def ask(body: dict[str, Any]) -> bytes:
                async with begin(router, body) as response:
                    return await response.read()

            for answer in await asyncio.gather(*(ask(body) for body in bodies)):
                check_stream(answer)
            for body in bodies:
                seen = [
                    each
                    for fake in router.engines["gold"]
                    for each in fake.generated()
                    if each.body["messages"] == body["messages"]
                ]
                for broken in seen:
                    if broken.outcome == "failed" and broken.tokens:
                        later = [each for each in seen if each.at > (broken.ended_at or 0)]
                        assert later == []

    asyncio.run(run())


def test_a_client_that_does_not_read_is_dropped() -> None:
    async def run() -> None:
        tiers = {"gold": [engine("gold", tokens=100_000, tpot_ms=0)]}
        async with running_router(tiers, router={"idle_timeout_ms": 200.0}) as router:
            _, writer = await asyncio.open_connection("127.0.0.1", router.server.public.port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport's
            body = orjson.dumps(chat_body(stream=True))
            head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            await until(lambda: router.core.metrics.requests["gold", 499] == 1)
            await until(lambda: router.in_flight() == 0)
            writer.transport.abort()

    asyncio.run(run())


def test_an_answer_of_another_version_is_not_passed_on() -> None:
    old = "cook--000000000001"

    async def answer(exchange: Exchange) -> None:
        match exchange.path:
            case "/health":
                exchange.answer(200, b"")
            case "/v1/models":
                exchange.answer(200, {"data": [{"id": "gold"}, {"id": old}]})
            case _:
                message = {"role": "assistant", "content": "I am another one"}
                exchange.answer(200, {"model": "gold", "choices": [{"message": message}]})

    async def run() -> None:
        mixed = WireServer(answer)
        await mixed.start()
        try:
            async with running_router() as router:
                router.core.fleet.place("gold", (mixed.url,))
                await until(lambda: router.core.aliases.of("gold"))
                reply = await router.chat("gold/cook")
                assert reply.status == 502
                assert b"I am another one" not in reply.body
        finally:
            await mixed.stop()

    asyncio.run(run())
