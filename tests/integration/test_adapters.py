"""Adapters are swapped while requests run: the real controller and router, engines of any kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goldsmith.cli.adapters import app
from goldsmith.registry import adapters
from goldsmith.serving.adapters.agent import Agent, serve_app
from goldsmith.serving.adapters.hosts import Agents, SharedFolder
from goldsmith.serving.adapters.shelf import Shelf
from goldsmith.serving.engines import StartOptions
from goldsmith.store.object_store import ObjectStore, open_store
from tests.fixtures.adapter_stage import stage
from tests.fixtures.adapter_traffic import Outcome
from tests.fixtures.builtin_engine import GOLD, running_engine
from tests.fixtures.fake_engine import EngineSettings, FakeEngine
from tests.fixtures.version_adapters import write_versions
from tests.unit.registry.artefacts import write_adapter

ENGINE = EngineSettings(tokens=6, tpot_ms=2.0, slots=8)


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def wrote(outcome: Outcome) -> bool:
    """Whether a fake engine wrote the whole answer as the version that the router names."""
    writers = {token.rpartition(":")[0] for token in outcome.text.split()}
    return writers == {outcome.version}


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())


def test_versions_are_swapped_under_requests_without_a_failed_or_a_mixed_one(
    store: ObjectStore, tmp_path: Path
) -> None:
    async def work() -> None:
        async with (
            FakeEngine(ENGINE) as one,
            FakeEngine(ENGINE) as two,
            stage(store, tmp_path, [one.url, two.url]) as here,
        ):
            await here.routed(here.promote(0))
            async with here.traffic.running(clients=4):
                for number in range(1, 4):
                    name = here.promote(number)
                    await here.answered(name)
            assert here.traffic.failed() == []
            assert here.traffic.mixed(wrote) == []
            assert len({outcome.version for outcome in here.traffic.outcomes}) == 4
            await here.until(lambda _: set(one.adapters) == set(two.adapters) == {name})
            await here.until(lambda _: names_in(tmp_path / "root") == [name])

    run(work)


def test_a_restarted_engine_gets_its_adapter_back_without_a_failed_request(
    store: ObjectStore, tmp_path: Path
) -> None:
    async def work() -> None:
        async with (
            FakeEngine(ENGINE) as one,
            FakeEngine(ENGINE) as two,
            stage(store, tmp_path, [one.url, two.url], reconcile_s=0.5) as here,
        ):
            name = here.promote(0)
            await here.routed(name)
            async with here.traffic.running(clients=4):
                await one.server.stop()
                one.adapters.clear()
                await here.until(lambda state: not state["healthy"][one.url])
                await one.revive()
                await here.until(lambda state: name in one.adapters)
                await here.until(lambda state: state["ready"][one.url] == [name])
            broken = [each for each in here.traffic.failed() if each.status == 200]
            assert here.traffic.failed() == broken  # streams that were cut off, nothing else
            assert here.traffic.mixed(wrote) == []

    run(work)


def test_a_version_that_one_engine_cannot_load_never_gets_requests(
    store: ObjectStore, tmp_path: Path
) -> None:
    async def work() -> None:
        async with (
            FakeEngine(ENGINE) as one,
            FakeEngine(ENGINE) as two,
            stage(store, tmp_path, [one.url, two.url]) as here,
        ):
            old = here.promote(0)
            await here.routed(old)
            two.failing_loads = 1000
            async with here.traffic.running(clients=4):
                bad = here.promote(1)
                await here.until(lambda state: bad in state["ready"][one.url])
                await here.until(lambda state: state["weights"] == {one.url: 1, two.url: 1})
                adapters.rollback(store, "gold", "cook", cause="test")
                await here.until(lambda state: state["ready"][one.url] == [old])
            assert here.traffic.failed() == []
            assert {outcome.version for outcome in here.traffic.outcomes} == {old}

    run(work)


def test_a_restarted_router_is_told_everything_again(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        async with FakeEngine(ENGINE) as one, FakeEngine(ENGINE) as two:
            urls = [one.url, two.url]
            async with stage(store, tmp_path, urls) as here:
                name = here.promote(0)
                await here.routed(name)
            loads = len(one.seen)
            async with stage(store, tmp_path, urls) as here:
                await here.until(lambda state: state["adapters"]["gold/cook"]["epoch"] == 1)
                await here.until(lambda state: state["ready"][two.url] == [name])
            paths = [seen.path for seen in one.seen[loads:]]
            assert "/v1/load_lora_adapter" not in paths

    run(work)


def test_an_engine_that_loaded_often_is_restarted_between_requests(
    store: ObjectStore, tmp_path: Path
) -> None:
    async def work() -> None:
        async with FakeEngine(ENGINE) as one, FakeEngine(ENGINE) as two:
            engines, restarted = {one.url: one, two.url: two}, []

            async def restart(endpoint: str) -> None:
                restarted.append((endpoint, engines[endpoint].running))
                await engines[endpoint].die()
                asyncio.get_running_loop().call_later(0.6, revive, engines[endpoint])

            def revive(engine: FakeEngine) -> None:
                tasks.append(asyncio.ensure_future(engine.revive()))

            tasks: list[asyncio.Future[None]] = []
            host = SharedFolder(Shelf(tmp_path / "root", store), restart=restart)
            async with stage(
                store, tmp_path, list(engines), host=lambda _: host, recycle_after=2
            ) as here:
                await here.routed(here.promote(0))
                async with here.traffic.running(clients=4):
                    for number in (1, 2):
                        name = here.promote(number)
                        await here.routed(name)
                    await here.until(lambda _: len(restarted) == 2)
                    for url in engines:
                        await here.until(lambda state, url=url: state["ready"][url] == [name])
                    await here.until(lambda state: set(state["weights"].values()) == {1})
                assert here.traffic.failed() == []
                assert [running for _, running in restarted] == [0, 0]
                await asyncio.gather(*tasks)

    run(work)


def test_agents_fetch_adapters_beside_their_engines(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            FakeEngine(ENGINE, host="127.0.0.1") as one,
            FakeEngine(ENGINE, host="127.0.0.2") as two,
            AsyncExitStack() as stack,
        ):
            port = 0
            for number, engine in enumerate((one, two)):
                agent = Agent(Shelf(tmp_path / f"pod-{number}", store), engine=engine.url)
                server = await serve_app(agent.app(), host=engine.host, port=port)
                port = server.addresses[0][1]
                stack.push_async_callback(server.cleanup)
            here = await stack.enter_async_context(
                stage(store, tmp_path, [one.url, two.url], host=lambda s: Agents(s, port=port))
            )
            await here.routed(here.promote(0))
            name = here.promote(1)
            await here.routed(name)
            await here.until(lambda _: [*one.adapters, *two.adapters] == [name, name])
            for number, engine in enumerate((one, two)):
                assert engine.adapters[name] == str(tmp_path / f"pod-{number}" / name)
                await here.until(lambda _, n=number: names_in(tmp_path / f"pod-{n}") == [name])

    run(work)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_verb_waits_until_the_router_gives_requests_the_version(
    store: ObjectStore, tmp_path: Path
) -> None:
    async def work() -> None:
        async with FakeEngine(ENGINE) as one, stage(store, tmp_path, [one.url]) as here:
            folder = write_adapter(tmp_path / "new")
            options = ["--store", store.url, "--router", here.router.admin, "--json"]

            def verb(*arguments: str) -> Any:
                result = CliRunner().invoke(app, [*arguments, *options])
                assert result.exit_code == 0, result.output
                return json.loads(result.stdout)

            swapped = await asyncio.to_thread(verb, "swap", "gold/cook", str(folder))
            assert swapped["routed_after_s"] > 0
            (row,) = await asyncio.to_thread(verb, "list", "gold")
            assert (row["routed"], row["replicas"]) == (True, 1)

    run(work)


@pytest.mark.timeout(300)
def test_the_built_in_engine_answers_with_one_version_at_a_time(
    store: ObjectStore, tmp_path: Path
) -> None:
    made = write_versions(GOLD, tmp_path / "versions", count=3)
    root = tmp_path / "root"
    options = StartOptions(names=("gold",), slots=4, adapters_root=root, max_loras=4)

    async def work(urls: list[str]) -> None:
        words: dict[str, Any] = {}
        async with stage(store, tmp_path, urls) as here:
            first = here.promote_folder(made[0].folder)
            words[first] = made[0]
            await here.routed(first)
            async with here.traffic.running(clients=3):
                for version in made[1:]:
                    name = here.promote_folder(version.folder)
                    words[name] = version
                    await here.answered(name)
            assert here.traffic.failed() == []
            assert here.traffic.mixed(lambda each: words[each.version].wrote(each.text)) == []
            assert {each.version for each in here.traffic.outcomes} == set(words)

    with (
        running_engine(GOLD, options, tmp_path / "one.log") as one,
        running_engine(GOLD, options, tmp_path / "two.log") as two,
    ):
        asyncio.run(work([one.url, two.url]))
