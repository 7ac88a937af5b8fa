"""The built-in engine as a process and a recorded TensorRT-LLM pass one contract."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from goldsmith.serving.engines import EngineError, Request, StartOptions, open_engine
from tests.fixtures.builtin_engine import GOLD, Running, running_engine, write_adapter
from tests.fixtures.engine_contract import CHAT, CHECKS, Served
from tests.fixtures.trtllm import trtllm_server

NAMES = ("gold", "gold-v1")
LONG = Request(model="gold", prompt="take", max_tokens=400)
"""An answer that takes a while: its prompt is no chat, so that nothing ends it early."""


@pytest.fixture(name="builtin", scope="module")
def _builtin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """The engine and its adapters' root."""
    root = tmp_path_factory.mktemp("adapters")
    for number in range(3):
        write_adapter(root / f"a{number}", seed=number)
    options = StartOptions(names=NAMES, slots=4, adapters_root=root, max_loras=3)
    with running_engine(GOLD, options, root.parent / "engine.log") as running:
        yield running, root


@asynccontextmanager
async def builtin_client(builtin: tuple[Running, Path]) -> AsyncIterator[Served]:
    running, root = builtin
    async with aiohttp.ClientSession() as session:
        yield Served(open_engine("builtin", running.url, session), "gold", root / "a0")


@asynccontextmanager
async def trtllm_client() -> AsyncIterator[Served]:
    async with trtllm_server() as url, aiohttp.ClientSession() as session:
        yield Served(open_engine("tensorrt-llm", url, session), "gold")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_builtin_keeps_the_contract(
    check: Callable[[Served], Awaitable[None]], builtin: tuple[Running, Path]
) -> None:
    async def run() -> None:
        async with builtin_client(builtin) as served:
            await check(served)

    asyncio.run(run())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tensorrt_llm_keeps_the_contract(check: Callable[[Served], Awaitable[None]]) -> None:
    async def run() -> None:
        async with trtllm_client() as served:
            await check(served)

    asyncio.run(run())


def test_tensorrt_llm_tells_the_load_of_its_newest_iteration() -> None:
    async def run() -> None:
        async with trtllm_client() as served:
            first = await served.engine.load()
            assert (first.running, first.waiting, first.kv_use) == (3, 5, 0.25)
            assert await served.engine.load() == first  # no iteration since

    asyncio.run(run())


def test_builtin_is_ready_after_ten_seconds_of_computing(builtin: tuple[Running, Path]) -> None:
    assert builtin[0].ready_cpu_s < 10


def test_openai_client_streams_from_builtin(builtin: tuple[Running, Path]) -> None:
    with openai.OpenAI(base_url=f"{builtin[0].url}/v1", api_key="none") as client:
        stream = client.chat.completions.create(
            model="gold-v1",
            messages=[{"role": "user", "content": CHAT[0]["content"]}],
            max_tokens=30,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        assert [model.id for model in client.models.list()] == list(NAMES)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith("<think>")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0
    assert {chunk.model for chunk in chunks} == {"gold"}


def test_requests_with_different_adapters_decode_as_if_alone(
    builtin: tuple[Running, Path],
) -> None:
    async def run() -> None:
        async with builtin_client(builtin) as served:
            engine, names = served.engine, ["x0", "x1", "x2"]
            for number, name in enumerate(names):
                await engine.load_adapter(name, builtin[1] / f"a{number}")
            asked = [served.chat(max_tokens=24), served.completion(max_tokens=24)]
            requests = [replace(r, model=model) for r in asked for model in [*names, "gold"]]
            alone = [(await engine.generate(request)).text for request in requests]
            together = await asyncio.gather(*(engine.generate(request) for request in requests))
            assert [answer.text for answer in together] == alone
            assert len(set(alone)) == len(requests)
            for name in names:
                await engine.unload_adapter(name)

    asyncio.run(run())


def test_request_keeps_an_adapter_that_is_unloaded_under_it(builtin: tuple[Running, Path]) -> None:
    async def run() -> None:
        async with builtin_client(builtin) as served:
            engine = served.engine
            request = replace(LONG, model="pinned", max_tokens=120)
            await engine.load_adapter("pinned", builtin[1] / "a1")
            whole = await engine.generate(request)
            stream = engine.stream(request)
            pieces = [await anext(stream)]
            await engine.unload_adapter("pinned")
            assert "pinned" not in await engine.models()
            pieces += [piece async for piece in stream]
            assert "".join(piece.text for piece in pieces) == whole.text

    asyncio.run(run())


def test_engine_stops_decoding_for_a_client_that_is_gone(builtin: tuple[Running, Path]) -> None:
    async def run() -> float:
        async with builtin_client(builtin) as served:
            stream = served.engine.stream(LONG)
            await anext(stream)
            assert (await served.engine.load()).running == 1
            left = time.monotonic()
            await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
            while (await served.engine.load()).running:
                assert time.monotonic() < left + 5
            return time.monotonic() - left

    assert asyncio.run(run()) < 1


def test_more_requests_than_places_wait_their_turn(builtin: tuple[Running, Path]) -> None:
    async def run() -> None:
        async with builtin_client(builtin) as served:
            request = replace(LONG, max_tokens=60)
            asked = [asyncio.create_task(served.engine.generate(request)) for _ in range(9)]
            loads = []
            while not all(task.done() for task in asked):
                loads.append(await served.engine.load())
            assert max(load.waiting for load in loads) > 0
            assert max(load.running for load in loads) <= 4
            assert max(load.kv_use for load in loads) > 0
            assert len({(await task).text for task in asked}) == 1

    asyncio.run(run())


BAD_LOADS = [
    pytest.param({"lora_path": "a0"}, 400, "lora_name", id="no name"),
    pytest.param({"lora_name": "x", "lora_path": "../adapters/a0/.."}, 400, "root", id="the root"),
    pytest.param({"lora_name": "x", "lora_path": "../engine.log"}, 400, "root", id="outside"),
    pytest.param({"lora_name": "x", "lora_path": "/etc"}, 400, "root", id="absolute"),
    pytest.param({"lora_name": "x", "lora_path": "a0\0"}, 400, "root", id="NUL"),
    pytest.param({"lora_name": "x", "lora_path": "link"}, 400, "root", id="link"),
    pytest.param({"lora_name": "x", "lora_path": "none"}, 400, "root", id="missing"),
    pytest.param({"lora_name": "a/b", "lora_path": "a0"}, 400, "lora_name", id="bad name"),
    pytest.param({"lora_name": "gold", "lora_path": "a0"}, 400, "taken", id="the base's name"),
]


@pytest.mark.parametrize(("body", "status", "words"), BAD_LOADS)
def test_builtin_loads_only_from_below_its_root(
    body: dict[str, str], status: int, words: str, builtin: tuple[Running, Path]
) -> None:
    link = builtin[1] / "link"
    if not link.exists():
        link.symlink_to("/etc")
    answer = asyncio.run(post(f"{builtin[0].url}/v1/load_lora_adapter", json.dumps(body)))
    assert answer[0] == status
    assert words in answer[1]["error"]["message"]


BAD_REQUESTS = [
    pytest.param("{", 400, "JSON", id="cut off"),
    pytest.param("[]", 400, "object", id="a list"),
    pytest.param('{"model": "gold"}', 400, "messages", id="no messages"),
    pytest.param('{"model": "gold", "messages": []}', 400, "messages", id="empty"),
    pytest.param(
        '{"model": "gold", "messages": [{"role": "root", "content": ""}]}', 400, "role", id="role"
    ),
    pytest.param(
        '{"model": "gold", "messages": [{"role": "user", "content": 1}]}', 400, "text", id="content"
    ),
]


@pytest.mark.parametrize(("body", "status", "words"), BAD_REQUESTS)
def test_builtin_answers_mistakes_in_the_openai_shape(
    body: str, status: int, words: str, builtin: tuple[Running, Path]
) -> None:
    answer = asyncio.run(post(f"{builtin[0].url}/v1/chat/completions", body))
    assert answer[0] == status
    assert set(answer[1]["error"]) == {"message", "type", "param", "code"}
    assert words in answer[1]["error"]["message"]


def test_engine_finishes_what_runs_before_it_ends(tmp_path: Path) -> None:
    options = StartOptions(names=NAMES, slots=4)
    with running_engine(GOLD, options, tmp_path / "engine.log") as running:

        async def run() -> tuple[str, str]:
            async with aiohttp.ClientSession() as session:
                engine = open_engine("builtin", running.url, session)
                whole = await engine.generate(LONG)
                stream = engine.stream(LONG)
                text = (await anext(stream)).text
                running.process.send_signal(signal.SIGTERM)
                while await engine.health():
                    pass
                with pytest.raises(EngineError) as refused:
                    await engine.generate(replace(LONG, max_tokens=1))
                assert refused.value.status == 503
                return whole.text, text + "".join([piece.text async for piece in stream])

        whole, streamed = asyncio.run(run())
        assert streamed == whole
        assert running.process.wait(timeout=60) == 0


def test_client_says_which_engine_is_down() -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            engine = open_engine("builtin", "http://127.0.0.1:9", session)
            assert not await engine.health()
            with pytest.raises(EngineError, match=re.escape("builtin at http://127.0.0.1:9")):
                await engine.generate(LONG)

    asyncio.run(run())


BROKEN_STREAMS = [
    pytest.param(b'data: {"choices": [{"text": "a"}]}\n\n', "broke off", id="ends early"),
    pytest.param(b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory", id="error"),
    pytest.param(b"data: <html>\n\n", "not OpenAI's", id="no JSON"),
    pytest.param(b"data: []\n\n", "not OpenAI's", id="no object"),
]


@pytest.mark.parametrize(("data", "words"), BROKEN_STREAMS)
def test_broken_stream_is_an_error_and_no_answer(data: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + data)
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with aiohttp.ClientSession() as session:
                with pytest.raises(EngineError, match=words):
                    async for _ in open_engine("vllm", url, session).stream(LONG):
                        pass

    asyncio.run(run())


async def post(url: str, body: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        return response.status, await response.json()
