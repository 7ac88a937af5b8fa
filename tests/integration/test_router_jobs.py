"""Async jobs and the policies that only they may use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from goldsmith.config.serving import validate_serving
from goldsmith.serving.router.server import RouterServer
from tests.fixtures.fake_engine import EngineSettings, FakeEngine, Fault
from tests.fixtures.router import JOBS, Reply, TestRouter, chat_body, engine, running_router
from tests.fixtures.serving import OTHER_KEY, serving_values

ASYNC = {"X-Priority": "async"}


async def finished(router: TestRouter, location: str) -> dict[str, Any]:
    """The job, once it has ended."""
    for _ in range(1000):
        job: dict[str, Any] = (await router.request("GET", location)).json()
        if job["status"] not in ("queued", "running"):
            return job
        await asyncio.sleep(0.01)
    raise AssertionError(f"it never ends: {job}")


async def submit(router: TestRouter, body: dict[str, Any], **headers: str) -> Reply:
    return await router.request("POST", JOBS, body, headers=headers)


def test_a_job_is_accepted_and_polled(tmp_path: Path) -> None:
    async def run() -> None:
        async with running_router(router={"jobs": str(tmp_path)}) as router:
            accepted = await submit(router, chat_body("auto", max_tokens=2))
            assert accepted.status == 202
            location = accepted.headers["Location"]
            assert location == f"/v1/jobs/{accepted.json()['id']}"
            job = await finished(router, location)
            assert job["status"] == "succeeded"
            assert job["result"]["choices"][0]["message"]["content"] == "gold:0 gold:1 "
            assert job["result"]["route"]["tier"] == "gold"
            other = await router.request("GET", location, key=OTHER_KEY)
            assert (other.status, other.error["code"]) == (404, "job_not_found")
            assert router.in_flight() == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        pytest.param(chat_body("auto", stream=True), {}, "stream", id="stream"),
        pytest.param(chat_body("auto"), {"X-Route-Policy": "x"}, "x-route-policy", id="policy"),
        pytest.param(chat_body("gold"), {"X-Route-Policy": "cascade"}, "model", id="tier"),
        pytest.param(chat_body("auto", max_tokens=0), {}, "max_tokens", id="field"),
    ],
)
def test_a_job_that_cannot_be_is_refused_at_once(
    tmp_path: Path, body: dict[str, Any], headers: dict[str, str], param: str
) -> None:
    async def run() -> None:
        async with running_router(router={"jobs": str(tmp_path)}) as router:
            reply = await submit(router, body, **headers)
            assert (reply.status, reply.error["param"]) == (400, param)

    asyncio.run(run())


def test_a_cancelled_job_stops_at_the_engine(tmp_path: Path) -> None:
    async def run() -> None:
        async with running_router(router={"jobs": str(tmp_path)}) as router:
            fake = router.engines["gold"][0]
            fake.fault = Fault("hang")
            location = (await submit(router, chat_body())).headers["Location"]
            while not fake.generated():
                await asyncio.sleep(0.01)
            other = await router.request("DELETE", location, key=OTHER_KEY)
            assert other.status == 404
            reply = await router.request("DELETE", location)
            assert reply.json()["status"] == "cancelled"
            while fake.generated()[0].outcome != "cancelled":
                await asyncio.sleep(0.01)
            assert (await finished(router, location))["status"] == "cancelled"

    asyncio.run(run())


def test_a_restart_loses_no_job(tmp_path: Path) -> None:
    async def run() -> None:
        async with FakeEngine(EngineSettings(), Fault("hang")) as fake:
            values = serving_values({"gold": [fake.url]}, router={"jobs": str(tmp_path)})
            first = RouterServer(validate_serving(values))
            await first.start()
            async with running_router(router={"jobs": str(tmp_path)}) as helper:
                helper.server.jobs, jobs = None, helper.server.jobs
                assert jobs is not None
                await jobs.stop()
                helper.server, own = first, helper.server
                locations = [
                    (await submit(helper, chat_body())).headers["Location"] for _ in range(4)
                ]
                helper.server = own
            await first.stop(timeout_s=0.1)
            fake.fault = Fault()
            second = RouterServer(validate_serving(values))
            await second.start()
            try:
                async with running_router() as helper:
                    helper.server, own = second, helper.server
                    jobs_done = [await finished(helper, each) for each in locations]
                    helper.server = own
                assert {job["status"] for job in jobs_done} == {"succeeded"}
            finally:
                await second.stop(timeout_s=1.0)

    asyncio.run(run())


def test_a_cascade_keeps_a_sure_draft_and_escalates_an_unsure_one() -> None:
    async def run() -> None:
        tiers = {
            "gold": [engine("gold", confidence=0.3)],
            "silver": [engine("silver", confidence=0.9)],
            "bronze": [engine("bronze")],
        }
        async with running_router(tiers) as router:
            headers = {**ASYNC, "X-Route-Policy": "cascade"}
            reply = await router.chat("auto", headers=headers)
            steps = reply.json()["goldsmith"]["steps"]
            assert [step["tier"] for step in steps] == ["gold", "silver"]
            assert reply.headers["X-Route-Tier"] == "silver"
            assert reply.json()["choices"][0]["logprobs"] is None
            assert reply.json()["usage"]["completion_tokens"] == 16
            assert router.engines["bronze"][0].generated() == []

    asyncio.run(run())


def test_a_plan_is_written_by_one_tier_and_acted_by_another() -> None:
    def plan(body: dict[str, Any]) -> str:
        return "1. look 2. eat"  # on one line: a single step

    async def run() -> None:
        tiers = {"gold": [engine("gold")], "bronze": [engine("bronze")]}
        async with running_router(tiers) as router:
            router.engines["bronze"][0].reply = plan
            headers = {**ASYNC, "X-Route-Policy": "plan_and_execute"}
            reply = await router.chat("auto", headers=headers)
            steps = reply.json()["goldsmith"]["steps"]
            assert [(step["tier"], step["role"]) for step in steps] == [
                ("bronze", "plan"),
                ("gold", "act"),
            ]
            asked = router.engines["gold"][0].generated()[0].body["messages"]
            assert asked[0] == {"role": "user", "content": "look around"}
            assert "Step 1 of 1: look 2. eat" in asked[-1]["content"]

    asyncio.run(run())


def test_policies_of_several_calls_are_for_those_who_can_wait() -> None:
    async def run() -> None:
        async with running_router() as router:
            reply = await router.chat("auto", headers={"X-Route-Policy": "cascade"})
            assert (reply.status, reply.error["param"]) == (400, "x-route-policy")

    asyncio.run(run())
