"""How a replica that fails is left alone, and how the router itself brings it back."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from goldsmith.config.serving import validate_serving
from goldsmith.serving.router.aliases import Aliases
from goldsmith.serving.router.breakers import FIRST_S
from goldsmith.serving.router.fleet import Fleet
from goldsmith.serving.router.replica import COMPLETION_PATH
from goldsmith.serving.router.trials import PROMPT, Trials
from tests.fixtures.fake_engine import FakeEngine, Fault
from tests.fixtures.router import TestRouter, engine, running_router, until
from tests.fixtures.serving import serving_values
from tests.fixtures.wire import Exchange, WireServer

TWO = {"gold": [engine("gold"), engine("gold")]}
WHOLE = b'data: {"choices": [{"text": "a", "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'


def first_choice(router: TestRouter) -> FakeEngine:
    """The engine that an idle router asks first."""
    return min(router.engines["gold"], key=lambda each: each.url)


@pytest.mark.parametrize("kind", ["error", "reset", "refuse"])
def test_what_fails_in_a_row_is_left_alone_until_the_router_finds_it_well(kind: Any) -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            broken = first_choice(router)
            replica = router.core.fleet.replicas[broken.url]
            broken.fault = Fault(kind)
            while replica.healthy:
                await asyncio.gather(*(router.chat(stream=True) for _ in range(6)))
            from_users = len(broken.generated())
            for _ in range(6):
                assert (await router.chat(stream=True)).status == 200
            await until(lambda: replica.breaker.wait_s > FIRST_S)  # a trial failed
            assert not replica.healthy
            trials = broken.generated()[from_users:]
            assert {each.body["prompt"] for each in trials} == {PROMPT}
            broken.fault = Fault()
            await until(lambda: replica.healthy)
            assert replica.healthy and not replica.breaker.is_open
            replies = [await router.chat() for _ in range(6)]
            assert {reply.status for reply in replies} == {200}

    asyncio.run(run())


def test_a_replica_that_left_the_tier_is_tried_no_more() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            broken, fleet = first_choice(router), router.core.fleet
            name = f"trials of {broken.url}"

            def goes_on() -> bool:
                return name in {task.get_name() for task in asyncio.all_tasks()}

            broken.fault = Fault("error")
            while fleet.replicas[broken.url].healthy:
                await router.chat()
            assert goes_on()
            fleet.place("gold", tuple(url for url in fleet.tiers["gold"] if url != broken.url))
            await until(lambda: not goes_on())
            assert PROMPT not in [each.body.get("prompt") for each in broken.generated()]

    asyncio.run(run())


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "one of two"])
def test_what_comes_back_is_on_probation_unless_it_is_all_there_is(alone: bool) -> None:
    async def run() -> None:
        async with running_router(None if alone else TWO, router={"retries": 0}) as router:
            engine = first_choice(router)
            replica = router.core.fleet.replicas[engine.url]
            engine.fault = Fault("error")
            while replica.healthy:
                await asyncio.gather(*(router.chat() for _ in range(6)))
            engine.fault = Fault()
            await until(lambda: replica.healthy)
            engine.fault = Fault("error")
            failed = 0
            while not failed:
                failed += (await router.chat()).status != 200
            assert replica.healthy is alone

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "body", "back"),
    [
        pytest.param(200, WHOLE, True, id="whole"),
        pytest.param(200, WHOLE[:40], False, id="breaks off"),
        pytest.param(200, b'data: {"choices": [null]}\n\n', False, id="rubbish"),
        pytest.param(400, b"{}", True, id="refuses what it was asked"),
        pytest.param(404, b"{}", False, id="knows no such model"),
        pytest.param(500, b"{}", False, id="broken"),
    ],
)
def test_a_trial_is_judged_as_a_request_is(status: int, body: bytes, back: bool) -> None:
    async def answer(exchange: Exchange) -> None:
        assert exchange.path == COMPLETION_PATH
        exchange.answer(status, body)

    async def run() -> None:
        server = WireServer(answer)
        await server.start()
        async with aiohttp.ClientSession() as session:
            config = validate_serving(serving_values({"gold": [server.url]}))
            fleet = Fleet(config, session, observe=lambda event: None, aliases=Aliases())
            trials = Trials(config, fleet)
            fleet.place("gold", (server.url,))
            replica = fleet.replicas[server.url]
            replica.answers = True
            while not replica.breaker.is_open:
                fleet.failed(replica)
            await until(lambda: replica.healthy or replica.breaker.wait_s > FIRST_S)
            assert replica.healthy is back
            await trials.stop()
        await server.stop()

    asyncio.run(run())


def test_a_replica_that_was_down_is_tried_soon_after_it_is_up() -> None:
    async def run() -> None:
        async with running_router() as router:
            broken = router.engines["gold"][0]
            replica = router.core.fleet.replicas[broken.url]
            broken.fault = Fault("error")
            while replica.healthy:
                await router.chat()
            replica.breaker.wait_s = 600.0  # as after many bad trials, but for the first
            await broken.die()
            await until(lambda: not replica.answers)
            await asyncio.sleep(1.2 * FIRST_S)  # its first trial would have been by now
            broken.fault = Fault()
            await broken.revive()
            await until(lambda: replica.healthy, timeout_s=10)

    asyncio.run(run())
