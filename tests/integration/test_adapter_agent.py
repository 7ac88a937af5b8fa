"""The agent beside an engine takes names, never paths, and has the engine restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from goldsmith.registry import adapters
from goldsmith.serving.adapters.agent import Agent, serve_app
from goldsmith.serving.adapters.shelf import Shelf
from goldsmith.store.object_store import ObjectStore, open_store
from tests.fixtures.fake_engine import FakeEngine
from tests.unit.registry.artefacts import write_adapter

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@asynccontextmanager
async def agent(folder: Path, store: ObjectStore, *, engine: str = "") -> AsyncIterator[Ask]:
    """A running agent: `ask(method, path, body)` gives status and document."""
    made = Agent(Shelf(folder / "shelf", store), engine=engine or "http://127.0.0.1:9")
    server = await serve_app(made.app(), host="127.0.0.1", port=0)
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            async with session.request(method, url + path, json=body) as response:
                return response.status, await response.json(content_type=None)

        yield ask
    await server.cleanup()


@pytest.fixture(name="wanted")
def _wanted(tmp_path: Path) -> tuple[ObjectStore, adapters.AdapterVersion]:
    store = open_store(str(tmp_path / "store"))
    version = adapters.add(store, write_adapter(tmp_path / "a"), tier="gold", lineage={})
    return store, adapters.find(store, "gold", "cook", version)


def test_an_adapter_is_fetched_and_forgotten(
    wanted: tuple[ObjectStore, adapters.AdapterVersion], tmp_path: Path
) -> None:
    store, version = wanted

    async def work() -> None:
        async with agent(tmp_path, store) as ask:
            body = {"tier": "gold", "version": version.version, "name": version.name}
            status, found = await ask("POST", "/fetch", body)
            assert (status, found) == (200, {"path": str(tmp_path / "shelf" / version.name)})
            assert (await ask("GET", "/health"))[1] == {"adapters": [version.name]}
            await ask("POST", "/forget", {"name": version.name})
            assert (await ask("GET", "/health"))[1] == {"adapters": []}

    asyncio.run(work())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param([], 400, id="no object"),
        pytest.param({"name": "cook--000000000000"}, 400, id="fields are missing"),
        pytest.param({"tier": "gold", "version": "v", "name": 1}, 400, id="no string"),
        pytest.param(
            {"tier": "gold", "version": "v", "name": "a", "path": "/etc"}, 400, id="a path"
        ),
        pytest.param(
            {"tier": "gold", "version": "v-1", "name": "cook--000000000000"}, 409, id="unknown"
        ),
        pytest.param(
            {"tier": "..", "version": "../..", "name": "cook--000000000000"}, 409, id="way out"
        ),
        pytest.param({"tier": "gold", "version": "v-1", "name": "/etc/passwd"}, 409, id="odd name"),
    ],
)
def test_anything_but_a_name_of_the_registry_is_refused(
    wanted: tuple[ObjectStore, adapters.AdapterVersion], tmp_path: Path, body: Any, status: int
) -> None:
    async def work() -> None:
        async with agent(tmp_path, wanted[0]) as ask:
            found, document = await ask("POST", "/fetch", body)
            assert found == status and document["error"]
            assert list((tmp_path / "shelf").iterdir()) == []

    asyncio.run(work())


def test_a_recycled_engine_fails_its_probe_until_it_has_ended(
    wanted: tuple[ObjectStore, adapters.AdapterVersion], tmp_path: Path
) -> None:
    async def work() -> None:
        async with FakeEngine() as engine, agent(tmp_path, wanted[0], engine=engine.url) as ask:
            statuses = [(await ask("GET", "/alive"))[0]]
            await ask("POST", "/recycle", {})
            statuses += [(await ask("GET", "/alive"))[0] for _ in range(2)]
            await engine.die()
            statuses.append((await ask("GET", "/alive"))[0])
            await engine.revive()
            statuses.append((await ask("GET", "/alive"))[0])
            assert statuses == [200, 503, 503, 503, 200]

    asyncio.run(work())
