"""Sends what a fuzzer makes, and judges the answers: no 5xx, no leak, errors that explain."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tests.bench.load import BROKEN, Reply, Sample
from tests.bench.processes import ROOT
from tests.bench.wire_fuzz import Case
from tests.fixtures.serving import KEY, OTHER_KEY

WORKERS, ANSWER_S, SILENCE_S = 16, 10.0, 0.05


@dataclass
class Judge:
    """What must never be seen, and what was."""

    secrets: tuple[bytes, ...]
    answers: Counter[str] = field(default_factory=Counter)
    """By kind and status."""
    violations: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def see(self, case: Case, sample: Sample) -> None:
        """One answer."""
        self.answers[f"{case.kind}: {sample.status}"] += 1
        whole = sample.headers + sample.body
        if sample.status >= 500:
            self.report("5xx", case, sample)
        if case.answered and sample.status == BROKEN:
            self.report("no answer", case, sample)
        if case.kind == "valid" and sample.status != 200:
            self.report("good request refused", case, sample)
        if any(secret in whole for secret in self.secrets):
            self.report("leak", case, sample)
        if case.answered and 400 <= sample.status < 500 and not _explains(sample.body):
            self.report("error without OpenAI's shape", case, sample)

    def report(self, what: str, case: Case, sample: Sample) -> None:
        """A violation, with the first examples in full."""
        self.violations[what] += 1
        if len(self.examples) < 20:
            said = (sample.headers + sample.body)[:400]
            self.examples.append(f"{what}: {case.kind}: {case.data[:400]!r} -> {said!r}")


def _explains(body: bytes) -> bool:
    try:
        error = orjson.loads(body)["error"]
        return bool(error["message"]) and {"type", "param", "code"} <= error.keys()
    except (ValueError, LookupError, TypeError):
        return False


async def fuzz(port: int, requests: Iterator[Case], judge: Judge) -> None:
    """Send them all, over connections that are kept where HTTP allows it."""
    workers = [_worker(port, requests, judge) for _ in range(WORKERS)]
    await asyncio.gather(*workers)


async def _worker(port: int, requests: Iterator[Case], judge: Judge) -> None:
    loop, kept = asyncio.get_running_loop(), Reply()
    for case in requests:
        if case.fresh:
            judge.see(case, await ask(port, case))
            continue
        if kept.transport is None or kept.transport.is_closing():
            _, kept = await loop.create_connection(Reply, "127.0.0.1", port)
        judge.see(case, await _ask(kept, case))
    if kept.transport:
        kept.transport.abort()


async def ask(port: int, case: Case) -> Sample:
    """One request over a connection of its own."""
    _, reply = await asyncio.get_running_loop().create_connection(Reply, "127.0.0.1", port)
    try:
        return await _ask(reply, case)
    finally:
        if reply.transport:
            reply.transport.abort()


async def _ask(reply: Reply, case: Case) -> Sample:
    try:
        limit_s = ANSWER_S if case.answered else SILENCE_S
        return await asyncio.wait_for(reply.ask(case.data), limit_s)
    except TimeoutError:
        if reply.transport:
            reply.transport.abort()
        return reply.sample(BROKEN)


def secrets(engines: list[str], folder: Path) -> tuple[bytes, ...]:
    """Bytes that no answer may hold: keys, addresses, paths, tracebacks."""
    addresses = [engine.removeprefix("http://") for engine in engines]
    words = (KEY, OTHER_KEY, *addresses, str(folder), str(ROOT))
    return tuple(word.encode() for word in (*words, "Traceback", "site-packages", 'File "'))
