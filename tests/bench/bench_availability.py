"""One of three engines has a bad day: goal S1. availability.json.

`python tests/bench/bench_availability.py [--seconds 30] [--per-s 300] [--seed 0]`. The real router,
as a program, before three fake engines; half of the requests are streams. In each episode one
engine is dead (nobody listens, connections reset), slow, answers 500, resets connections before or
after the first byte, hangs, or flaps between good and bad. A request counts as served if it is
answered whole with 200. A request is disturbed if it was not, or waited more than a second for its
first byte. Failover is how long after the fault disturbed requests still started, those left out
that are alone within a second; `last_disturbed_s` has them too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.load import Report, Sample, paced_loop, post
from tests.bench.processes import hardware, versions
from tests.fixtures.fake_engine import EngineSettings, FakeEngine, Fault, Seen
from tests.fixtures.routers import router_process
from tests.fixtures.serving import authorization, serving_values

RESULTS = Path(__file__).parent / "results" / "availability.json"
CHAT = "/v1/chat/completions"
ENGINE = EngineSettings(tokens=6, tpot_ms=2.0, slots=64)
LATE_S, ALONE_S, SERVED = 1.0, 1.0, 0.999
DAYS: dict[str, Fault | None] = {
    "healthy": Fault(),
    "dead": None,
    "slow": Fault("slow", delay_s=2.0),
    "500": Fault("error"),
    "refusing": Fault("refuse"),
    "resetting": Fault("reset"),
    "hanging": Fault("hang"),
    "half-open": Fault("flap", period=4),
}
"""What the first engine does; None: it dies."""


@dataclass(frozen=True)
class Episode:
    """One bad day."""

    day: str
    requests: int
    failed: int
    availability: float
    failover_s: float
    last_disturbed_s: float
    worst_first_byte_s: float
    p99_first_byte_ms: float
    statuses: dict[str, int]
    sent_twice: int
    """Requests that a second engine was sent, by retry or hedge."""
    answered_twice: int
    """Requests that two engines answered whole."""
    resent_after_first_byte: int


def requests(count: int, seed: int, mark: str) -> Iterator[bytes]:
    """Chats, half of them streams, each with a mark by which engines know it."""
    rng = random.Random(seed)
    for number in range(count):
        words = f"{mark}-{number} " + "look around " * rng.randint(1, 20)
        body = {"model": "gold", "messages": [{"role": "user", "content": words}]}
        yield post(CHAT, {**body, "stream": rng.random() < 0.5}, authorization())


async def episode(
    day: str, engines: list[FakeEngine], port: int, *, count: int, per_s: float, seed: int
) -> Episode:
    """A calm start, then the fault, until all requests are answered."""
    calm = await paced_loop(port, requests(count // 3, seed, f"calm-{day}"), per_s=per_s)
    assert calm.failed == 0, f"before {day}: {calm.statuses}"
    load = asyncio.create_task(paced_loop(port, requests(count, seed, day), per_s=per_s))
    await asyncio.sleep(0.2)
    began = asyncio.get_running_loop().time()
    await begin(engines[0], DAYS[day])
    report = await load
    return judge(day, report, engines, began)


async def begin(engine: FakeEngine, fault: Fault | None) -> None:
    """The fault starts."""
    if fault is None:
        await engine.die()
    else:
        engine.fault = fault


def judge(day: str, report: Report, engines: list[FakeEngine], began: float) -> Episode:
    """What became of the requests."""
    sent = _by_mark(engines, day)
    count = len(report.samples)
    failed = sum(each.status != 200 or not _whole(each) for each in report.samples)
    disturbed = [each.started_s - began for each in report.samples if _disturbed(each)]
    waits = [each.first_byte_s for each in report.samples if each.status == 200]
    return Episode(
        day=day,
        requests=count,
        failed=failed,
        availability=round(1 - failed / count, 6),
        failover_s=round(max(0.0, _failover_s(disturbed)), 3),
        last_disturbed_s=round(max(disturbed, default=0.0), 3),
        worst_first_byte_s=round(max(waits, default=0.0), 3),
        p99_first_byte_ms=round(report.first_byte_ms(0.99), 2),
        statuses={str(status): number for status, number in report.statuses.items()},
        sent_twice=sum(len(each) > 1 for each in sent.values()),
        answered_twice=sum(_answers(each) > 1 for each in sent.values()),
        resent_after_first_byte=sum(_resent(each) for each in sent.values()),
    )


def _failover_s(disturbed: list[float]) -> float:
    """From the fault to the last request that was not disturbed alone."""
    pairs = pairwise(sorted(disturbed))
    return max([second for first, second in pairs if second - first < ALONE_S], default=0.0)


def _disturbed(sample: Sample) -> bool:
    return sample.status != 200 or not _whole(sample) or sample.first_byte_s > LATE_S


def _whole(sample: Sample) -> bool:
    return b"event-stream" not in sample.headers or b"[DONE]" in sample.body


def _by_mark(engines: list[FakeEngine], day: str) -> dict[str, list[Seen]]:
    """Mark of a request to what the engines saw of it, in order."""
    found: dict[str, list[Seen]] = defaultdict(list)
    seen_by_all = (each for engine in engines for each in engine.generated())
    for seen in (each for each in seen_by_all if each.path == CHAT):  # the router's trials are not
        mark = seen.body["messages"][0]["content"].partition(" ")[0]
        if mark.startswith(f"{day}-"):
            found[mark].append(seen)
    return {mark: sorted(rows, key=lambda row: row.at) for mark, rows in found.items()}


def _answers(rows: list[Seen]) -> int:
    return Counter(row.outcome for row in rows)["done"]


def _resent(rows: list[Seen]) -> bool:
    """Whether another engine was asked after a stream of this request had begun and broken."""
    broken = [row.ended_at for row in rows if row.fault == "reset" and row.tokens]
    return any(row.at > at for row in rows for at in broken if at is not None)


async def run(*, seconds: float, per_s: float, seed: int, days: list[str]) -> dict[str, Any]:
    """Every day, each before a router and engines of its own."""
    episodes = []
    for day in days:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            engines = [await stack.enter_async_context(FakeEngine(ENGINE)) for _ in range(3)]
            values = serving_values({"gold": [engine.url for engine in engines]})
            router = await stack.enter_async_context(router_process(values, folder))
            count = int(seconds * per_s)
            found = await episode(day, engines, router.port, count=count, per_s=per_s, seed=seed)
        print(found, flush=True)
        episodes.append(found)
    return summary(episodes, seed)


def summary(episodes: list[Episode], seed: int) -> dict[str, Any]:
    """The figures of goal S1."""
    bad = [each for each in episodes if each.day != "healthy"]
    lines = []
    for each in episodes:
        goal = 0.9999 if each.day == "healthy" else SERVED
        lines.append(_figure(f"availability, {each.day}", each.availability, f">= {goal}", goal))
    for each in bad:
        held = each.failover_s <= 1.0
        lines.append(_line(f"failover, {each.day}", each.failover_s, "s", "<= 1", held))
    resent = sum(each.resent_after_first_byte for each in episodes)
    lines.append(_line("requests sent again after their first byte", resent, "", "0", resent == 0))
    return {
        "hardware": hardware(),
        "versions": versions("uvicorn", "uvloop", "httptools", "aiohttp"),
        "seeds": [seed],
        "episodes": [asdict(each) for each in episodes],
        "figures": lines,
    }


def _figure(name: str, value: float, goal: str, least: float) -> dict[str, Any]:
    return _line(name, value, "", goal, value >= least)


def _line(name: str, value: float, unit: str, goal: str, holds: bool) -> dict[str, Any]:
    print(f"{name}: {value:g} {unit} (goal {goal})")
    return {"name": name, "value": value, "unit": unit, "goal": goal, "holds": holds}


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--per-s", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--days", nargs="+", choices=list(DAYS), default=list(DAYS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    result = asyncio.run(
        run(
            seconds=arguments.seconds,
            per_s=arguments.per_s,
            seed=arguments.seed,
            days=arguments.days,
        )
    )
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
