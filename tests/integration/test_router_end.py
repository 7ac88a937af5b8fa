"""How the router ends, and what its log and traces keep."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp

from goldsmith.config.serving import validate_serving
from goldsmith.serving.router.server import RouterServer
from goldsmith.serving.routing.replay import replay
from tests.bench.processes import Program, free_ports, running
from tests.fixtures.fake_engine import EngineSettings, FakeEngine, Fault
from tests.fixtures.router import CHAT, chat_body, engine, running_router, until
from tests.fixtures.serving import authorization, serving_values, write_values
from tests.fixtures.wire import Exchange, WireServer


def test_sigterm_finishes_what_runs_and_fails_nothing(tmp_path: Path) -> None:
    """Clients that stay until the load balancer has noticed see no failure."""

    async def ask(session: aiohttp.ClientSession, url: str, results: list[Any]) -> None:
        while "noticed" not in results:
            body = chat_body(stream=True)
            async with session.post(url + CHAT, json=body, headers=authorization()) as response:
                data = await response.read()
                results.append((response.status, data.endswith(b"data: [DONE]\n\n")))

    async def balance(session: aiohttp.ClientSession, url: str, results: list[Any]) -> None:
        """As a load balancer: asks for readiness now and then."""
        while True:
            async with session.get(url + "/health/ready") as response:
                if response.status == 503:
                    results.append("noticed")
                    return
            await asyncio.sleep(0.05)

    async def run(url: str, program: Program) -> None:
        results: list[Any] = []
        async with aiohttp.ClientSession() as session:
            askers = [asyncio.create_task(ask(session, url, results)) for _ in range(4)]
            balancer = asyncio.create_task(balance(session, url, results))
            await until(lambda: len(results) > 8)
            program.process.send_signal(signal.SIGTERM)
            await asyncio.gather(balancer, *askers)
        assert set(results) == {(200, True), "noticed"}
        assert await asyncio.to_thread(program.process.wait, 10) == 0

    async def main() -> None:
        ports = free_ports(2)
        async with FakeEngine(EngineSettings(tpot_ms=20)) as fake:
            router = {"port": ports[0], "admin_port": ports[1], "drain_s": 4.0}
            values = serving_values({"gold": [fake.url]}, router=router)
            config = write_values(values, tmp_path / "serving.yaml")
            command = [sys.executable, "-m", "goldsmith.serving.router", "--config", str(config)]
            context = running(command, port=ports[0], folder=tmp_path)
            program = await asyncio.to_thread(context.__enter__)
            try:
                await run(f"http://127.0.0.1:{ports[0]}", program)
            finally:
                await asyncio.to_thread(context.__exit__, None, None, None)

    asyncio.run(main())


def test_the_decision_log_replays_bit_for_bit(tmp_path: Path) -> None:
    async def run() -> Path:
        file = tmp_path / "decisions.jsonl"
        tiers = {tier: [engine(tier), engine(tier)] for tier in ("gold", "silver")}
        async with running_router(tiers, router={"decision_log": str(file)}) as router:
            router.engines["gold"][0].fault = Fault("error", share=0.5)
            models = ("auto", "gold", "silver")
            await asyncio.gather(
                *(router.chat(models[i % 3], stream=i % 2 == 0) for i in range(60))
            )
            judged = router.core.recent[-1].request_id
            await router.put("/admin/verdicts", request_id=judged, quality=1.0)
        return file

    report = replay(asyncio.run(run()))
    assert report.identical, report.first_difference
    assert report.decisions >= 60


def test_one_trace_a_request_reaches_the_collector() -> None:
    batches: list[Any] = []

    async def collect(exchange: Exchange) -> None:
        batches.extend(exchange.json())
        exchange.answer(200, {"kept": len(exchange.json())})

    async def run() -> None:
        collector = WireServer(collect)
        await collector.start()
        try:
            traces = {"collector": collector.url, "consenting": ["team-a"]}
            async with running_router(traces=traces) as router:
                whole = await router.chat(max_tokens=2)
                await router.chat(stream=True, max_tokens=3)
                await until(lambda: len(batches) == 2)
                record = batches[0]
                assert record["request_id"] == whole.headers["X-Request-Id"]
                assert record["prompt"] == chat_body()["messages"]
                assert [each["answer"] for each in batches] == [
                    "gold:0 gold:1 ",
                    "gold:0 gold:1 gold:2 ",
                ]
                assert (record["tenant"], record["tier"], record["consent"]) == (
                    "team-a",
                    "gold",
                    True,
                )
                assert record["decision"]["reason"] == "explicit"
                assert (record["status"], record["tokens_out"]) == (200, 2)
        finally:
            await collector.stop()

    asyncio.run(run())


def test_a_collector_that_is_down_costs_no_request() -> None:
    async def run() -> None:
        port = free_ports(1)[0]
        traces = {"collector": f"http://127.0.0.1:{port}", "max_pending": 2}
        async with running_router(traces=traces) as router:
            replies = [await router.chat() for _ in range(6)]
            assert {reply.status for reply in replies} == {200}
            assert router.core.sender is not None
            assert router.core.sender.shed_total == 4

    asyncio.run(run())


def test_replicas_follow_their_name() -> None:
    async def run() -> None:
        async with FakeEngine(EngineSettings()) as fake:
            values = serving_values({"gold": [f"dns://localhost:{fake.server.port}"]})
            server = RouterServer(validate_serving(values))
            await server.start()
            try:
                fleet = server.core.fleet
                assert f"http://127.0.0.1:{fake.server.port}" in fleet.replicas
                fleet.place("gold", ())
                assert not fleet.replicas
                assert not server.core.ready
                await server.core.probes.resolve()
                await until(lambda: server.core.ready)
            finally:
                await server.stop(timeout_s=0.5)

    asyncio.run(run())
