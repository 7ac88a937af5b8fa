"""The proxies of bench_router.py: started beside one engine, and measured one at a time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from tests.bench.load import Report, closed_loop, paced_loop, post
from tests.bench.processes import Program, free_ports, running
from tests.bench.references import Reference, references
from tests.fixtures.serving import KEY, TENANT, authorization, key, serving_values, write_values

CHUNKS, PACE_PER_S = 64, 500.0
LIMITS = {"usd_per_day": 1e6, "requests_per_minute": 1e7, "tokens_per_minute": 1e9}
MESSAGES = [
    {"role": "system", "content": "You play a text game. Think, then act with one command."},
    {"role": "user", "content": "You are in the kitchen. A stove and a fridge are here. " * 6},
]
DIRECT, RAW, OURS, AUTO = "direct", "raw ASGI", "goldsmith", "goldsmith, auto"


@dataclass(frozen=True)
class Row:
    """One proxy, at one load, in one round."""

    proxy: str
    kind: str
    """`requests`, `streams` or `paced`."""
    concurrency: int
    round: int
    cpu_us: float
    """A request, or a chunk of a stream."""
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Proxy:
    """One that runs."""

    name: str
    program: Program
    port: int
    path: str
    streams: bool = True
    model: str = "gold"

    def request(self, *, stream: bool, chunks: int = CHUNKS) -> bytes:
        """The bytes that it is sent."""
        body: dict[str, Any] = {"model": self.model, "messages": MESSAGES, "max_tokens": chunks}
        if stream:
            body["stream"] = True
        return post(self.path, body, authorization())


def start_all(
    folder: Path, installed: Path | None, stack: ExitStack
) -> tuple[list[Proxy], dict[str, str]]:
    """The engine itself, then every proxy that is installed; and why others are not."""
    backend, raw, ours, admin = free_ports(4)

    def run(command: Sequence[str], port: int, **env: str) -> Program:
        started = running(command, port=port, folder=folder, env=env, timeout_s=180)
        return stack.enter_context(started)

    engine = f"http://127.0.0.1:{backend}"
    canned = run([sys.executable, "-m", "tests.bench.canned", str(backend)], backend)
    raw_command = [sys.executable, "-m", "tests.bench.raw_proxy", str(raw), engine]
    chat = "/v1/chat/completions"
    proxies = [Proxy(DIRECT, canned, backend, chat), Proxy(RAW, run(raw_command, raw), raw, chat)]
    config = write_values(router_values(engine, ours, admin), folder / "serving.yaml")
    router = run(router_command(config), ours)
    proxies.append(Proxy(OURS, router, ours, chat))
    proxies.append(Proxy(AUTO, router, ours, chat, model="auto"))
    skipped: dict[str, str] = {}
    found = references(
        backend=backend, ports=lambda: free_ports(1)[0], folder=folder, installed=installed
    )
    for reference, port in found:
        if reference.skipped:
            skipped[reference.name] = reference.skipped
            continue
        program = run(reference.command, port, **dict(reference.environment))
        proxies.append(_started(reference, program, port))
    return proxies, skipped


def _started(reference: Reference, program: Program, port: int) -> Proxy:
    return Proxy(reference.name, program, port, reference.path, streams=reference.streams)


def router_values(engine: str, port: int, admin: int) -> dict[str, Any]:
    """Credentials, budgets and tracing on; all tiers on one engine."""
    values = serving_values(
        {tier: [engine] for tier in ("gold", "silver", "bronze")},
        router={
            "port": port,
            "admin_port": admin,
            "budget_usd_per_hour": 1e4,
            "connect_timeout_ms": 5000.0,
        },
        traces={"collector": engine},
    )
    for tier in values["tiers"].values():
        tier["model"] = "gold"
        tier["slots"] = 256
        tier["slo_ttft_ms"] = 60_000.0  # what is measured is work, not what is turned away
    values["credentials"] = {"keys": [key(KEY, TENANT, **LIMITS)], "tenants": {TENANT: LIMITS}}
    return values


def router_command(config: Path) -> list[str]:
    """Starts the router."""
    return [sys.executable, "-m", "goldsmith.serving.router", "--config", str(config)]


def measure(proxy: Proxy, *, concurrency: int, count: int, number: int) -> Row:
    """Requests in a closed loop."""
    request = proxy.request(stream=False)
    warm = asyncio.run(
        closed_loop(proxy.port, repeat(request, count // 10), concurrency=concurrency)
    )
    assert warm.failed == 0, f"{proxy.name}: {warm.statuses} {warm.samples[0].body[:300]!r}"
    before = proxy.program.cpu_s()
    report = asyncio.run(closed_loop(proxy.port, repeat(request, count), concurrency=concurrency))
    used = proxy.program.cpu_s() - before
    return row(proxy, "requests", concurrency, number, report, used / count)


def measure_streams(
    proxy: Proxy, *, streams: int, times: int, number: int, chunks: int = CHUNKS
) -> Row:
    """Streams side by side, so many times one after the other, and once before that unmeasured."""
    request, count = proxy.request(stream=True, chunks=chunks), times * streams
    asyncio.run(closed_loop(proxy.port, repeat(request, streams), concurrency=streams))
    before = proxy.program.cpu_s()
    report = asyncio.run(closed_loop(proxy.port, repeat(request, count), concurrency=streams))
    used = proxy.program.cpu_s() - before
    seen = sum(sample.events for sample in report.samples)
    assert seen >= chunks * count, f"{proxy.name}: {seen} chunks of {chunks * count}"
    return row(proxy, "streams", streams, number, report, used / seen)


def measure_paced(proxy: Proxy, *, count: int) -> Row:
    """500 requests a second, as goal S2 says."""
    request = proxy.request(stream=False)
    before = proxy.program.cpu_s()
    report = asyncio.run(paced_loop(proxy.port, repeat(request, count), per_s=PACE_PER_S))
    used = proxy.program.cpu_s() - before
    return row(proxy, "paced", int(PACE_PER_S), 0, report, used / count)


def row(
    proxy: Proxy, kind: str, concurrency: int, number: int, report: Report, cpu_s: float
) -> Row:
    """What was measured, in the units that are written down."""
    return Row(
        proxy.name,
        kind,
        concurrency,
        number,
        round(cpu_s * 1e6, 1),
        round(len(report.samples) / report.wall_s, 1),
        round(report.total_ms(0.5), 3),
        round(report.total_ms(0.99), 3),
        report.failed,
    )
