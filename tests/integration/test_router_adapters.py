"""Adapters behind the router: what a name means, where it may go, and that versions never mix."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fixtures.fake_engine import Fault
from tests.fixtures.router import TestRouter, engine, running_router, text_of, until

OLD, NEW = "cook--000000000001", "cook--000000000002"
TWO = {"gold": [engine("gold", tpot_ms=1), engine("gold", tpot_ms=1)]}


async def load(router: TestRouter, name: str, *, on: tuple[int, ...] = (0, 1)) -> None:
    """Load and vouch, as the controller does."""
    for number in on:
        fake = router.engines["gold"][number]
        fake.adapters[name] = "/adapters"
        names = [each for each in fake.adapters if each.startswith("cook--")]
        assert (await router.put("/admin/ready", endpoint=fake.url, names=names)).status == 200


async def flip(router: TestRouter, name: str, epoch: int) -> int:
    reply = await router.put("/admin/adapters", tier="gold", adapter="cook", name=name, epoch=epoch)
    return reply.status


def test_a_flip_changes_what_the_name_means() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            assert (await router.chat("gold/cook")).status == 404
            await load(router, OLD)
            assert await flip(router, OLD, 1) == 200
            first = await router.chat("gold/cook", stream=True)
            await load(router, NEW)
            assert await flip(router, NEW, 2) == 200
            second = await router.chat("gold/cook", stream=True)
            assert await flip(router, OLD, 1) == 409
            assert [first.headers["X-Route-Version"], second.headers["X-Route-Version"]] == [
                OLD,
                NEW,
            ]
            assert text_of(first.body).startswith(OLD)
            assert text_of(second.body).startswith(NEW)
            names = (await router.request("GET", "/v1/models")).json()["data"]
            assert [each["id"] for each in names] == ["auto", "gold", "gold/cook"]

    asyncio.run(run())


def test_requests_go_only_where_the_adapter_is() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            await load(router, OLD, on=(1,))
            await flip(router, OLD, 1)
            for _ in range(6):
                assert (await router.chat("gold/cook")).status == 200
            assert router.engines["gold"][0].generated() == []

    asyncio.run(run())


def test_a_replica_that_lost_its_adapters_is_passed_over() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            await load(router, OLD)
            await flip(router, OLD, 1)
            router.engines["gold"][0].adapters.clear()  # it was restarted
            for _ in range(6):
                assert (await router.chat("gold/cook", stream=True)).status == 200
            lost = router.engines["gold"][0].url
            await until(lambda: router.core.fleet.replicas[lost].ready == ())

    asyncio.run(run())


def test_weight_zero_gets_nothing() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            drained = router.engines["gold"][0]
            await router.put("/admin/weights", endpoint=drained.url, weight=0)
            for _ in range(6):
                assert (await router.chat()).status == 200
            assert drained.generated() == []
            assert (await router.state())["weights"][drained.url] == 0.0
            reply = await router.put("/admin/weights", endpoint="http://other", weight=1)
            assert (reply.status, reply.error["code"]) == (404, "unknown_endpoint")

    asyncio.run(run())


def test_a_name_that_is_no_version_is_refused() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            assert await flip(router, "cook", 1) == 400
            assert await flip(router, "other--000000000001", 1) == 400
            assert await flip(router, OLD, 0) == 400

    asyncio.run(run())


def test_a_restarted_router_knows_the_adapters_that_are_loaded() -> None:
    async def run() -> None:
        async with running_router(TWO) as router:
            for fake in router.engines["gold"]:
                fake.adapters[OLD] = "/adapters"
            await until(lambda: router.core.aliases.of("gold"))
            assert (await router.chat("gold/cook")).headers["X-Route-Version"] == OLD
            await load(router, NEW)
            assert await flip(router, NEW, 1) == 200

    asyncio.run(run())


def test_versions_never_mix_while_they_are_flipped_under_load() -> None:
    """Retries and hedges keep the version that the request resolved to when it arrived."""

    async def ask(router: TestRouter, results: list[Any], stop: asyncio.Event) -> None:
        while not stop.is_set():
            reply = await router.chat("gold/cook", stream=True)
            assert reply.status == 200
            versions = {word.rpartition(":")[0] for word in text_of(reply.body).split()}
            assert versions == {reply.headers["X-Route-Version"]}
            results.append(versions.pop())

    async def run() -> None:
        async with running_router(TWO, router={"hedge_share": 1.0}) as router:
            await load(router, OLD)
            await load(router, NEW)
            await flip(router, OLD, 1)
            router.engines["gold"][0].fault = Fault("error", share=0.2)
            stop, results = asyncio.Event(), []
            askers = [asyncio.create_task(ask(router, results, stop)) for _ in range(6)]
            for epoch in range(2, 30):
                await flip(router, NEW if epoch % 2 else OLD, epoch)
                await asyncio.sleep(0.02)
            stop.set()
            await asyncio.gather(*askers)
            assert set(results) == {OLD, NEW}
            assert router.in_flight() == 0

    asyncio.run(run())


def test_the_state_tells_the_controller_what_is_pinned() -> None:
    async def run() -> None:
        slow = {"gold": [engine("gold", tpot_ms=30)]}
        async with running_router(slow) as router:
            await load(router, OLD, on=(0,))
            await flip(router, OLD, 1)
            url = router.engines["gold"][0].url
            asking = asyncio.create_task(router.chat("gold/cook", stream=True))
            await until(lambda: router.core.fleet.replicas[url].in_flight)
            state = await router.state()
            assert state["in_flight"][url] == {OLD: 1}
            assert state["pinned"] == {OLD: 1}
            assert state["adapters"] == {"gold/cook": {"name": OLD, "epoch": 1}}
            assert state["ready"][url] == [OLD]
            await asking
            after = await router.state()
            assert (after["in_flight"][url], after["pinned"]) == ({}, {})

    asyncio.run(run())
