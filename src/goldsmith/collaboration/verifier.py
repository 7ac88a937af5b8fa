"""Role C: the domain's strict verifier, in a process of its own, judges while B plays on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Self

from goldsmith.tasks.domain import Outcome, Task
from goldsmith.tasks.transcript import Transcript
from goldsmith.tasks.verification import VerifierProcess, VerifyRequest


@dataclass(frozen=True)
class Play:
    """One attempt of B that C has not judged yet."""

    task: Task
    transcript: Transcript
    malformed: bool
    """It broke off at an answer that is no step."""


class Verifier:
    """C's process and a thread that waits for it; use it in a `with`."""

    def __init__(self, *, timeout_s: float) -> None:
        """`timeout_s` is for one verdict."""
        self._process = VerifierProcess(timeout_s=timeout_s)
        self._thread = ThreadPoolExecutor(1)

    def prepare(self, domain: str, level: str, count: int, *, seed: int) -> None:
        """Let C make these tasks while the caller does, since making games is half of its work."""
        self._thread.submit(self._process.prepare, domain, level, count, seed=seed)

    def judge(self, plays: Iterable[Play]) -> Iterator[Outcome]:
        """The verdicts, in order; a play is asked for while C is at those before it.

        DomainError naming domain and task if the plug-in raises, hangs or dies.
        """
        asked: deque[Future[Outcome]] = deque()
        for play in plays:
            asked.append(self._thread.submit(self._verdict, play))
            while asked and asked[0].done():
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()

    def _verdict(self, play: Play) -> Outcome:
        """An attempt that broke off at a malformed step is never solved."""
        outcome = self._process.verdict(VerifyRequest.of(play.task, play.transcript))
        if not play.malformed:
            return outcome
        steps = len(play.transcript.turns)
        why = f"step {steps + 1}: the answer is not a step"
        return replace(outcome, solved=False, reason=why, failed_step=steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._thread.shutdown(cancel_futures=True)
        self._process.kill()
