"""CPU of the router a request and a chunk, beside other proxies in the same run. router.json.

`python tests/bench/bench_router.py [--scale 1] [--rounds 3] [--installed DIR]`. Every proxy gets
the same body (460 bytes) and has the same engine behind it (330 bytes); the router asks for a key,
keeps budgets, routes an explicit tier and sends its traces to a collector. Rounds go through all
proxies in turn. `--installed` holds the virtual environments of tests/bench/references.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from goldsmith.config.serving import validate_serving
from goldsmith.serving.router.server import collect_rarely
from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.events import Arrived, Ended, FirstByte, Sent
from tests.bench.load import quantile
from tests.bench.processes import hardware, versions
from tests.bench.proxies import (
    AUTO,
    CHUNKS,
    DIRECT,
    OURS,
    PACE_PER_S,
    RAW,
    Proxy,
    Row,
    measure,
    measure_paced,
    measure_streams,
    start_all,
)
from tests.fixtures.serving import serving_values

RESULTS = Path(__file__).parent / "results" / "router.json"
CONCURRENCY, REQUESTS, STREAMS = (1, 16, 64), (800, 4000, 4000), (16, 64)
PACED, DECISIONS, SLOW_PROXY, STREAM_TIMES = 2000, 20_000, 8, 8
KSERVE, LITELLM = "kserve transformer", "litellm"
PACKAGES = ("uvicorn", "uvloop", "httptools", "aiohttp", "orjson")


def measure_all(
    proxies: list[Proxy], *, scale: float, rounds: int, chunks: int = CHUNKS
) -> list[Row]:
    """Every proxy in turn, so that drift of the machine hits all alike."""
    rows: list[Row] = []
    for number in range(rounds):
        for concurrency, requests in zip(CONCURRENCY, REQUESTS, strict=True):
            for proxy in proxies:
                share = scale / SLOW_PROXY if proxy.name in (KSERVE, LITELLM) else scale
                count = max(concurrency * 4, int(requests * share))
                rows.append(measure(proxy, concurrency=concurrency, count=count, number=number))
        for streams in STREAMS:
            for proxy in proxies:
                if proxy.streams and proxy.name != AUTO:
                    times = 1 if proxy.name == LITELLM else max(1, round(STREAM_TIMES * scale))
                    one = measure_streams(
                        proxy, streams=streams, times=times, number=number, chunks=chunks
                    )
                    rows.append(one)
    paced = [proxy for proxy in proxies if proxy.name in (DIRECT, RAW, OURS)]
    return [*rows, *(measure_paced(proxy, count=int(PACED * scale)) for proxy in paced)]


def decision_us(count: int) -> list[float]:
    """CPU time of `auto` requests over three tiers of four replicas, with requests in flight."""
    urls = {tier: [f"http://{tier}-{n}" for n in range(4)] for tier in ("gold", "silver", "bronze")}
    brain, taken, running = Brain(validate_serving(serving_values(urls))), [], []
    for number in range(count):
        at = number / PACE_PER_S
        arrived = Arrived(at, f"r{number}", "team-a", "interactive", (), "", 60, 64, (1, 2, 3, 4))
        started = time.thread_time_ns()
        decision = brain.decide(arrived)
        taken.append((time.thread_time_ns() - started) / 1000)
        if decision.endpoint:
            brain.observe(Sent(at, decision.request_id, decision.endpoint))
            running.append(decision)
        if len(running) > 32:
            done = running.pop(0)
            brain.observe(FirstByte(at, done.request_id, done.endpoint))
            brain.observe(Ended(at, done.request_id, done.endpoint, 64, 60, True, 200))
    return taken


def ratio(rows: list[Row], other: str, *, kind: str, concurrency: int) -> float | None:
    """Ours over the other's CPU: the median of the rounds; None where the other did not run."""
    cpu = {
        (each.proxy, each.round): each.cpu_us
        for each in rows
        if each.kind == kind and each.concurrency == concurrency
    }
    pairs = [
        value / cpu[other, number]
        for (proxy, number), value in cpu.items()
        if proxy == OURS and (other, number) in cpu
    ]
    return statistics.median(pairs) if pairs else None


def marginal_us(rows: list[Row], proxy: str, number: int) -> float:
    """CPU of one chunk more in a round: what probes and other idle work cost falls out."""
    few, many = (
        next(
            each
            for each in rows
            if (each.kind, each.proxy, each.round) == ("streams", proxy, number)
            and each.concurrency == streams
        )
        for streams in STREAMS
    )
    return (many.cpu_us * STREAMS[1] - few.cpu_us * STREAMS[0]) / (STREAMS[1] - STREAMS[0])


def best(rows: list[Row], proxy: str, field: str, *, kind: str, concurrency: int) -> float:
    """The least of the rounds: other work on the machine only adds."""
    found = [each for each in rows if (each.proxy, each.kind) == (proxy, kind)]
    return float(min(getattr(each, field) for each in found if each.concurrency == concurrency))


def added(rows: list[Row], field: str, *, kind: str, concurrency: int) -> float:
    """What the router adds to the engine's own time."""
    ours = best(rows, OURS, field, kind=kind, concurrency=concurrency)
    return ours - best(rows, DIRECT, field, kind=kind, concurrency=concurrency)


def figure(name: str, value: float | None, unit: str, goal: float, skipped: str = "") -> Any:
    """One line of the result; `value` must be at most `goal`."""
    shown = None if value is None else round(value, 4)
    print(f"{name}: {shown} {unit}")
    line = {"name": name, "value": shown, "unit": unit, "goal": f"<= {goal:.4g}"}
    holds = None if value is None else value <= goal
    return {**line, "holds": holds, **({"skipped": skipped} if value is None else {})}


def figures(rows: list[Row], skipped: dict[str, str], *, decided_us: float, rss: float) -> Any:
    """The goals of the issue, and what was reached."""
    at_16: dict[str, Any] = {"kind": "requests", "concurrency": 16}
    chunks: dict[str, Any] = {"kind": "streams", "concurrency": 16}
    paced: dict[str, Any] = {"kind": "paced", "concurrency": int(PACE_PER_S)}
    rounds = sorted({each.round for each in rows})
    more = statistics.median(
        marginal_us(rows, OURS, number) / marginal_us(rows, RAW, number) for number in rounds
    )
    alone = added(rows, "p50_ms", kind="requests", concurrency=1)
    kserve, litellm = ratio(rows, KSERVE, **at_16), ratio(rows, LITELLM, **at_16)
    return [
        figure("CPU a request, over raw ASGI, c=16", ratio(rows, RAW, **at_16), "x", 1.8),
        figure("CPU a chunk, over raw ASGI, 16 streams", ratio(rows, RAW, **chunks), "x", 1.2),
        figure("CPU of a chunk more, over raw ASGI, from 16 to 64 streams", more, "x", 1.2),
        figure("CPU a request, c=16", best(rows, OURS, "cpu_us", **at_16), "us", 250),
        figure("CPU a chunk, 16 streams", best(rows, OURS, "cpu_us", **chunks), "us", 75),
        figure("over KServe transformer", kserve, "x", 1 / 6, skipped.get(KSERVE, "")),
        figure("over LiteLLM", litellm, "x", 1 / 40, skipped.get(LITELLM, "")),
        figure("decision, p99", decided_us, "us", 150),
        figure("resident memory after the run", rss, "MB", 100),
        figure("added p50, c=1", alone, "ms", 1),
        figure("added p50, 500 requests a second", added(rows, "p50_ms", **paced), "ms", 1),
        figure("added p99, 500 requests a second", added(rows, "p99_ms", **paced), "ms", 5),
        figure("failed requests", float(sum(each.failed for each in rows)), "requests", 0),
    ]


def run(
    *, scale: float = 1.0, rounds: int = 3, chunks: int = CHUNKS, installed: Path | None = None
) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        proxies, skipped = start_all(Path(folder), installed, stack)
        rows = measure_all(proxies, scale=scale, rounds=rounds, chunks=chunks)
        memory = {proxy.name: round(proxy.program.rss_mb(), 1) for proxy in proxies}
    collect_rarely()  # as the router does
    decided = decision_us(max(1000, int(DECISIONS * scale)))
    p99_us = quantile(decided, 0.99)
    return {
        "hardware": hardware(),
        "versions": versions(*PACKAGES),
        "seeds": [],
        "rounds": rounds,
        "skipped": skipped,
        "memory_mb": memory,
        "decision_us": {"p50": round(quantile(decided, 0.5), 1), "p99": round(p99_us, 1)},
        "rows": [asdict(each) for each in rows],
        "figures": figures(rows, skipped, decided_us=p99_us, rss=memory[OURS]),
    }


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--installed", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    result = run(scale=arguments.scale, rounds=arguments.rounds, installed=arguments.installed)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
