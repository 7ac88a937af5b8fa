"""LoRA hot swap under load: two replicas, the real router, and adapters that show their version.

Clients ask without a pause while one version after the other goes live in the store. Each adapter
makes the engine say one word of its own and no other, so an answer that mixes versions is seen in
its text. Writes results/adapters.json (adapters-vllm.json with `--engine vllm`, which wants
VLLM_HOME).

    python tests/bench/bench_adapters.py [--swaps 50] [--clients 6] [--engine builtin|vllm]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import aiohttp

from goldsmith.config.serving import validate_serving
from goldsmith.registry import adapters
from goldsmith.registry.bases import SHIPPED
from goldsmith.serving.adapters.controller import Controller
from goldsmith.serving.adapters.hosts import SharedFolder
from goldsmith.serving.adapters.shelf import Shelf
from goldsmith.serving.engines import StartOptions
from goldsmith.store.object_store import ObjectStore, open_store
from tests.fixtures.adapter_traffic import Outcome, Traffic
from tests.fixtures.builtin_engine import Running, running_engine
from tests.fixtures.routers import router_process
from tests.fixtures.serving import authorization, serving_values
from tests.fixtures.version_adapters import VersionAdapter, write_versions

RESULTS = Path(__file__).parent / "results"
BASE = SHIPPED / "gold"
REPLICAS, SLOTS, MAX_TOKENS, MAX_LORAS, SEED = 2, 8, 16, 4, 0
SETTLE_S = 120.0
PATIENT_MS = 600_000.0
"""SLO and first-byte timeout: on a busy machine tight ones make the router shed requests."""


@dataclass
class Measured:
    """What was seen."""

    outcomes: list[Outcome] = field(default_factory=list)
    words: dict[str, VersionAdapter] = field(default_factory=dict)
    """Engine-side name to what it says."""
    flips: dict[str, float] = field(default_factory=dict)
    """When each version had answered for the first time."""
    to_first_token_s: list[float] = field(default_factory=list)
    """From the alias in the store to the first token of the new version, each swap."""
    resident: list[list[str]] = field(default_factory=list)
    """What each replica holds at the end."""
    seconds: float = 0.0


@dataclass
class Swaps:
    """The store's side: one version after the other goes live."""

    store: ObjectStore
    made: Sequence[VersionAdapter]

    def register(self, number: int) -> str:
        """Put a version into the store; its name there."""
        return adapters.add(self.store, self.made[number].folder, tier="gold", lineage={})

    def promote(self, version_name: str) -> str:
        """Make it live; what engines call it."""
        adapters.promote(self.store, "gold", "cook", version_name, cause="bench")
        return adapters.find(self.store, "gold", "cook", version_name).name


async def measure(
    engines: Sequence[Running],
    folder: Path,
    made: Sequence[VersionAdapter],
    *,
    engine: str,
    clients: int,
) -> Measured:
    """Swap through all versions under requests."""
    store = open_store(str(folder / "store"))
    urls = [each.url for each in engines]
    values = serving_values({"gold": urls}, router={"first_byte_timeout_ms": PATIENT_MS})
    values["tiers"]["gold"] |= {"engine": engine, "slots": SLOTS, "slo_ttft_ms": PATIENT_MS}
    async with (
        router_process(values, folder) as router,
        aiohttp.ClientSession() as session,
    ):
        section = {"names": {"gold": ["cook"]}, "routers": [router.admin], "max_loaded": MAX_LORAS}
        config = validate_serving({**values, "adapters": section})
        host = SharedFolder(Shelf(folder / "root", store))
        controller = Controller(config, store, host=host, session=session)
        stopped = asyncio.Event()
        task = asyncio.create_task(controller.run(stopped))
        traffic = Traffic(router.url, "gold/cook", authorization(), max_tokens=MAX_TOKENS)
        measured = await _swap_all(Swaps(store, made), traffic, session, clients=clients)
        measured.resident = [await _settled(session, each.url) for each in engines]
        stopped.set()
        await task
    return measured


async def _swap_all(
    swaps: Swaps, traffic: Traffic, session: aiohttp.ClientSession, *, clients: int
) -> Measured:
    measured = Measured()
    await _swap(swaps, traffic, session, measured, number=0)
    traffic.outcomes.clear()  # before the first version there was no adapter to answer with
    measured.to_first_token_s.clear()
    began = time.monotonic()
    async with traffic.running(clients):
        for number in range(1, len(swaps.made)):
            await _swap(swaps, traffic, session, measured, number=number)
            print(f"swap {number}: {measured.to_first_token_s[-1]:.2f} s", flush=True)
    measured.seconds = time.monotonic() - began
    measured.outcomes = traffic.outcomes
    return measured


async def _swap(
    swaps: Swaps,
    traffic: Traffic,
    session: aiohttp.ClientSession,
    measured: Measured,
    *,
    number: int,
) -> None:
    registered = await asyncio.to_thread(swaps.register, number)
    name = await asyncio.to_thread(swaps.promote, registered)
    in_store = time.monotonic()
    measured.words[name] = swaps.made[number]
    first = await traffic.first_of(session, name)
    measured.flips[name] = first.ended
    measured.to_first_token_s.append(first.first_byte - in_store)


async def _settled(session: aiohttp.ClientSession, url: str) -> list[str]:
    """The adapters of a replica once only one is left, or after a while."""
    end = time.monotonic() + SETTLE_S
    while True:
        async with session.get(f"{url}/v1/models") as response:
            found = [each["id"] for each in (await response.json())["data"]]
        names = [name for name in found if adapters.adapter_of(name)]
        if len(names) == 1 or time.monotonic() > end:
            return names
        await asyncio.sleep(0.1)


def figures(measured: Measured, *, swaps: int) -> list[dict[str, Any]]:
    """What the issue asks for."""
    traffic = Traffic("", "", outcomes=measured.outcomes)
    mixed = traffic.mixed(lambda each: measured.words[each.version].wrote(each.text))
    last = list(measured.words)[-1]
    left = sum(names != [last] for names in measured.resident)
    times = sorted(measured.to_first_token_s)
    p50, p95 = statistics.median(times), times[max(0, round(0.95 * len(times)) - 1)]
    return [
        _figure("swaps under load", len(times), "", goal=f">= {swaps}", holds=len(times) >= swaps),
        _none("failed requests", len(traffic.failed())),
        _none("answers that mix versions", len(mixed)),
        _none("answers of an older version after the flip", len(traffic.stale(measured.flips))),
        _none("replicas that keep an old version", left),
        _figure("store to first token, median", round(p50, 3), "s", goal="<= 5", holds=p50 <= 5),
        _figure("store to first token, p95", round(p95, 3), "s", goal="<= 10", holds=p95 <= 10),
    ]


def _none(name: str, count: int) -> dict[str, Any]:
    return _figure(name, count, "", goal="0", holds=count == 0)


def _figure(name: str, value: float, unit: str, *, goal: str, holds: bool) -> dict[str, Any]:
    print(f"{name}: {value} {unit}".rstrip())
    return {"name": name, "value": value, "unit": unit, "goal": goal, "holds": holds}


def bench(*, swaps: int, clients: int, engine: str, folder: Path) -> dict[str, Any]:
    """Start the engines, measure, and say what came out."""
    made = write_versions(BASE, folder / "versions", count=swaps + 1)
    options = StartOptions(
        names=("gold",),
        slots=SLOTS,
        context=512,
        adapters_root=folder / "root",
        max_loras=MAX_LORAS,
        cpu=True,
    )
    (folder / "root").mkdir()
    with ExitStack() as stack:
        engines = []
        for number in range(REPLICAS):
            log = folder / f"engine-{number}.log"
            running = running_engine(BASE, options, log, engine=engine, wait_s=300)
            engines.append(stack.enter_context(running))
        work = measure(engines, folder, made, engine=engine, clients=clients)
        measured = asyncio.run(work)
    return {
        "hardware": {
            "cpus": os.cpu_count(),
            "processor": platform.processor(),
            "load_average_5_min": round(os.getloadavg()[1], 1),
        },
        "versions": {name: version(name) for name in ("aiohttp", "uvicorn", "torch")},
        "seeds": [SEED],
        "settings": {"engine": engine, "replicas": REPLICAS, "clients": clients, "swaps": swaps},
        "requests": len(measured.outcomes),
        "statuses": Counter(each.status for each in measured.outcomes),
        "requests_per_s": round(len(measured.outcomes) / max(measured.seconds, 1e-9), 1),
        "store_to_first_token_s": [round(each, 3) for each in measured.to_first_token_s],
        "failures": [vars(each) for each in measured.outcomes if each.failed][:20],
        "figures": figures(measured, swaps=swaps),
    }


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--engine", choices=["builtin", "vllm"], default="builtin")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GOLDSMITH_SIGNING_KEY"] = f"{scratch}/signing.pem"
        result = bench(
            swaps=given.swaps, clients=given.clients, engine=given.engine, folder=Path(scratch)
        )
    name = "adapters.json" if given.engine == "builtin" else f"adapters-{given.engine}.json"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
