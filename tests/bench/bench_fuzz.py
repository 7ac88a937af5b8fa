"""Hostile input to a router with credentials on: goals S3, S4 and S6. fuzz.json.

`python tests/bench/bench_fuzz.py [--requests 200000] [--seed 0]`. S3: malformed requests of
wire_fuzz.py: no crash, no 5xx, no leak. S4: the tricks of auth_cases.py, each refused and none seen
by an engine. S6: the payloads of payload_cases.py, none reaching a socket or a file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import orjson

from tests.bench.auth_cases import CHAT, CHAT_BODY, attempts
from tests.bench.judge import Judge, ask, fuzz, secrets
from tests.bench.load import BROKEN, post
from tests.bench.payload_cases import CANARY_TEXT, payloads
from tests.bench.processes import free_ports, hardware, running, versions
from tests.bench.wire_fuzz import Case, cases
from tests.fixtures.fake_engine import FakeEngine
from tests.fixtures.identity import Identity
from tests.fixtures.routers import RouterProcess, router_process
from tests.fixtures.serving import KEY, authorization, serving_values

RESULTS = Path(__file__).parent / "results" / "fuzz.json"
HARMLESS = {"GET /health", "GET /metrics", "GET /v1/models"}
"""What a router asks an engine by itself."""


def router_values(folder: Path, engines: list[str], identity: Identity) -> dict[str, Any]:
    """Credentials of both kinds; patience with engines that share this machine's cores."""
    router = {"jobs": str(folder / "jobs"), "connect_timeout_ms": 5000.0}
    values = serving_values({"gold": engines}, router=router)
    values["credentials"]["jwt"] = identity.settings(folder)
    return values


async def malformed(count: int, seed: int) -> dict[str, Any]:
    """Goal S3."""
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), free_ports(2)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        values = router_values(folder, urls, Identity())
        canned = [[sys.executable, "-m", "tests.bench.canned", str(port)] for port in ports]
        with (
            running(canned[0], port=ports[0], folder=folder),
            running(canned[1], port=ports[1], folder=folder),
        ):
            async with router_process(values, folder) as router:
                judge = Judge(secrets(urls, folder))
                await fuzz(router.port, cases(min(count // 4, 1000), seed + 1), judge)
                before = router.program.rss_mb(), router.program.open_files()
                started = time.monotonic()
                await fuzz(router.port, cases(count, seed), judge)
                wall_s = time.monotonic() - started
                found = await aftermath(judge, router, before)
                return {**found, "wall_s": round(wall_s, 1)}


async def aftermath(
    judge: Judge, router: RouterProcess, before: tuple[float, int]
) -> dict[str, Any]:
    """Whether the router still is as it was."""
    health = await settled(router, before[1])
    log = router.program.log.read_text(errors="replace")
    return {
        "answers": dict(sorted(judge.answers.items())),
        "requests": sum(judge.answers.values()),
        "violations": dict(judge.violations),
        "examples": judge.examples,
        "crashes": int(not router.program.alive()) + log.count("Traceback"),
        "log": log[-2000:] if "Traceback" in log else "",
        "healthy": health["live"],
        "in_flight": health["in_flight"],
        "memory_mb": {"before": before[0], "after": router.program.rss_mb()},
        "open_files": {"before": before[1], "after": health["open_files"]},
    }


async def settled(router: RouterProcess, files: int) -> dict[str, Any]:
    """Health and requests in flight, once what was cut short has ended."""
    get = b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    for _ in range(100):
        live = await ask(router.port, Case("live", get % b"/health/live"))
        state = await ask(router.admin_port, Case("state", get % b"/admin/state"))
        in_flight = count_in_flight(orjson.loads(state.body))
        if not in_flight and router.program.open_files() <= files + 4:
            break
        await asyncio.sleep(0.1)
    open_files = router.program.open_files()
    return {"live": live.status == 200, "in_flight": in_flight, "open_files": open_files}


def count_in_flight(state: dict[str, Any]) -> int:
    """Of all endpoints and models, as /admin/state tells."""
    return sum(sum(models.values()) for models in state["in_flight"].values())


async def with_engine(probe: Any) -> dict[str, Any]:
    """Run a probe against a router before an engine that remembers what it saw."""
    with tempfile.TemporaryDirectory() as name:
        folder, identity = Path(name), Identity()
        async with FakeEngine() as engine:
            values = router_values(folder, [engine.url], identity)
            async with router_process(values, folder) as router:
                found: dict[str, Any] = await probe(engine, router.port, folder, identity)
                log = router.program.log.read_text(errors="replace")
                return {**found, "crashes": log.count("Traceback")}


async def auth(engine: FakeEngine, port: int, _: Path, identity: Identity) -> dict[str, Any]:
    """Goal S4."""
    for good in (identity.token(), identity.token(algorithm="ES256", kid="ec-1"), KEY):
        sample = await ask(port, Case("good", post(CHAT, CHAT_BODY, authorization(good))))
        assert sample.status == 200, f"a good credential is refused: {sample.body!r}"
    engine.seen.clear()
    engine.targets.clear()
    through, wrong, count = [], [], 0
    judge = Judge(secrets([engine.url], Path(__file__)))
    for attempt in attempts(identity):
        case = Case(attempt.name, attempt.data, fresh=True)
        sample = await ask(port, case)
        count += 1
        if 200 <= sample.status < 400:
            through.append(attempt.name)
        if not 400 <= sample.status < 500:
            wrong.append(f"{attempt.name}: {sample.status} {sample.body[:200]!r}")
        judge.see(case, sample)
    through += [f"an engine saw {each.path}" for each in engine.seen]
    through += [f"an engine saw {target}" for target in _strange(engine, generated=0)]
    return {"cases": count, "through": through, "wrong": wrong, "leaks": judge.violations["leak"]}


async def paths(engine: FakeEngine, port: int, folder: Path, _: Identity) -> dict[str, Any]:
    """Goal S6."""
    file = folder / "canary.txt"
    file.write_text(CANARY_TEXT)
    reached: list[str] = []
    current = ["nothing yet"]

    async def caught(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(current[0])
        writer.close()

    canary = await asyncio.start_server(caught, "127.0.0.1", 0)
    canary_port = canary.sockets[0].getsockname()[1]
    before = _listing(folder)
    errors, count = [], 0
    for name, request in payloads(canary_port, file):
        current[0], count = name, count + 1
        sample = await ask(port, Case(name, request))
        if CANARY_TEXT.encode() in sample.body or b"root:" in sample.body:
            reached.append(f"{name}: the file")
        if sample.status >= 500 or sample.status == BROKEN:
            errors.append(f"{name}: {sample.status} {sample.body[:200]!r}")
    canary.close()
    reached += [f"an engine saw {target}" for target in _strange(engine, generated=1)]
    reached += [f"a file appeared: {each}" for each in _listing(folder) - before]
    return {"cases": count, "reached": reached, "errors": errors}


def _strange(engine: FakeEngine, *, generated: int) -> list[str]:
    """Requests at the engine that the router does not make by itself."""
    usual = HARMLESS | (
        {"POST /v1/chat/completions", "POST /v1/completions"} if generated else set()
    )
    return [target for target in engine.targets if target not in usual]


def _listing(folder: Path) -> set[str]:
    """Files that are not jobs or logs."""
    found = {str(file.relative_to(folder)) for file in folder.rglob("*")}
    return {name for name in found if not name.startswith("jobs") and not name.endswith(".log")}


def figure(name: str, value: float, goal: str, holds: bool) -> dict[str, Any]:
    """One line of the result."""
    print(f"{name}: {value:g} (goal {goal})")
    return {"name": name, "value": value, "unit": "", "goal": goal, "holds": holds}


def run(*, requests: int, seed: int) -> dict[str, Any]:
    """All three."""
    fuzzed = asyncio.run(malformed(requests, seed))
    authed = asyncio.run(with_engine(auth))
    pathed = asyncio.run(with_engine(paths))
    bad = fuzzed["violations"]
    leaks = bad.get("leak", 0) + authed["leaks"]
    others = sum(bad.values()) - bad.get("leak", 0) - bad.get("5xx", 0)
    grown = fuzzed["memory_mb"]["after"] - fuzzed["memory_mb"]["before"]
    crashes = fuzzed["crashes"] + authed["crashes"] + pathed["crashes"]
    return {
        "hardware": hardware(),
        "versions": versions("uvicorn", "httptools", "aiohttp", "pyjwt", "cryptography"),
        "seeds": [seed],
        "malformed": fuzzed,
        "auth": authed,
        "paths": pathed,
        "figures": [
            figure(
                "S3 fuzzed requests", fuzzed["requests"], ">= 200000", fuzzed["requests"] >= 200_000
            ),
            figure("S3 crashes", crashes, "0", crashes == 0),
            figure("S3 answers 5xx", bad.get("5xx", 0), "0", not bad.get("5xx")),
            figure("S3 leaks", leaks, "0", leaks == 0),
            figure("S3 other violations", others, "0", others == 0),
            figure("S3 memory grown, MB", round(grown, 1), "<= 50", grown <= 50),
            figure("S3 in flight after", fuzzed["in_flight"], "0", fuzzed["in_flight"] == 0),
            figure("S4 cases", authed["cases"], ">= 500", authed["cases"] >= 500),
            figure("S4 through", len(authed["through"]), "0", not authed["through"]),
            figure("S6 payloads", pathed["cases"], ">= 300", pathed["cases"] >= 300),
            figure("S6 reached", len(pathed["reached"]), "0", not pathed["reached"]),
        ],
    }


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    result = run(requests=arguments.requests, seed=arguments.seed)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
