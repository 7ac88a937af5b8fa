"""A real vLLM passes the contract of the engines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from goldsmith.serving.engines import StartOptions, open_engine
from tests.fixtures.builtin_engine import GOLD, Running, running_engine, write_adapter
from tests.fixtures.engine_contract import CHECKS, Served

VLLM = Path(os.environ.get("VLLM_HOME", "")) / "bin" / "vllm"
START_S = 240.0

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not VLLM.is_file(), reason="run by `make test-vllm`"),
]


@pytest.fixture(name="vllm", scope="module")
def _vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """The server and a folder with an adapter."""
    root = tmp_path_factory.mktemp("adapters")
    adapter = write_adapter(root / "other", rank=8)
    options = StartOptions(
        names=("gold", "gold-v1"), context=512, adapters_root=root, max_lora_rank=8, cpu=True
    )
    log = root.parent / "vllm.log"
    with running_engine(GOLD, options, log, engine="vllm", wait_s=START_S) as running:
        yield running, adapter


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_vllm_keeps_the_contract(
    check: Callable[[Served], Awaitable[None]], vllm: tuple[Running, Path]
) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            engine = open_engine("vllm", vllm[0].url, session)
            await check(Served(engine, "gold", vllm[1]))

    asyncio.run(run())
