"""Role C in a process of its own: an answer goes over as data, a verdict comes back with a nonce.

The caller (a trainer, the orchestrator, the data validator) never runs a domain's rules on a
model's answer itself. The worker starts with `python -I` and a bare environment, under limits
(`verifier_process.py`); its standard streams lead nowhere; verdicts come over a pipe of their own
and count only with the request's nonce; its exit code never counts. No answer in time, a death, a
verdict that is not one: a student's answer scores 0, a teacher's is an error that names domain and
task, and the next request gets a fresh worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import logging
import math
import os
import queue
import secrets
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import goldsmith
from goldsmith.errors import DomainError
from goldsmith.tasks.domain import Outcome, Task
from goldsmith.tasks.framing import MAX_FRAME, BrokenFrame, encode, read_frame, write_frame
from goldsmith.tasks.guard import MEND, MEND_OR_WAIT
from goldsmith.tasks.transcript import Step, Transcript

logger = logging.getLogger(__name__)

MAX_STEPS = 1000
MAX_ACTION = 2000
"""Characters."""
START_TIMEOUT_S = 60.0
TIMEOUT_S, LOAD_TIMEOUT_S = 30.0, 120.0
"""For one verdict, and for what a domain does once."""
MEMORY_MB = 4096
MAX_PROOF = 100
"""Characters of one state hash."""
START = """import sys
sys.path.insert(0, sys.argv[1])
from goldsmith.tasks.verifier_process import main
main()"""
ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": os.defpath,
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class VerifyRequest:
    """One whole answer to one task."""

    task: Task
    steps: tuple[Step, ...]
    passages: tuple[tuple[str, str], ...] = ()
    """(id, text) of the passages that A returned, as in the transcript."""
    student: bool = False
    """A student cites nothing: judged by `Domain.outcome`, a strict replay without citations."""

    @classmethod
    def of(cls, task: Task, transcript: Transcript) -> Self:
        """The request for an episode."""
        steps = tuple(turn.step for turn in transcript.turns)
        return cls(task, steps, transcript.passages)

    @classmethod
    def of_student(cls, task: Task, transcript: Transcript) -> Self:
        """The request for a student's episode."""
        return cls(task, tuple(turn.step for turn in transcript.turns), student=True)


class NoVerdict(DomainError):
    """The domain hung, raised or died on one answer."""

    def __init__(self, task: Task, how: str, *, why: str, fix: str = MEND, reason: str) -> None:
        super().__init__(f"domain {task.domain} on task {task.task_id} {how}", why=why, fix=fix)
        self.reason = reason
        """What a student's outcome says of it: nothing that would help the student."""


def refusal(steps: Sequence[Step]) -> Outcome | None:
    """The outcome of an answer that is no answer in any domain: too long, or not plain lines."""
    if len(steps) > MAX_STEPS:
        return Outcome(False, 0.0, reason="too many steps", failed_step=MAX_STEPS)
    for index, step in enumerate(steps):
        if len(step.action) > MAX_ACTION or len(step.reasoning) > MAX_FRAME // 8:
            return Outcome(False, 0.0, reason="a step is too long", failed_step=index)
        if not step.action.strip() or not step.action.isprintable():
            return Outcome(False, 0.0, reason="an action is not one plain line", failed_step=index)
    return None


def read_verdict(reply: Mapping[str, Any]) -> Outcome:
    """The worker's verdict, checked field by field; BrokenFrame if it is not one."""
    match reply.get("verdict"):
        case {
            "solved": bool(solved),
            "score": int() | float() as score,
            "reason": str(reason),
            "failed_step": (int() | None) as failed_step,
            "proof": list(proof),
        } if math.isfinite(score) and 0 <= score <= 1:
            if all(isinstance(state, str) and len(state) <= MAX_PROOF for state in proof):
                return Outcome(solved, float(score), reason, failed_step, tuple(proof))
    raise BrokenFrame("the verdict is malformed")


class VerifierProcess:
    """One worker; started when needed, killed with all below it when it misbehaves."""

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        self.timeout_s, self.load_timeout_s = timeout_s, load_timeout_s
        self.memory_mb = memory_mb
        self.isolated = False
        """Whether the running worker has its own network and process namespaces."""
        self._loaded: set[str] = set()
        self._end: weakref.finalize[Any, Any] | None = None
        self._pid, self._stopped = 0, False

    def outcome(self, request: VerifyRequest) -> Outcome:
        """C's verdict on a student's answer; DomainError if the domain cannot be loaded at all."""
        try:
            return self.verdict(request)
        except NoVerdict as error:
            logger.warning("an answer scores 0: %s", error)
            return Outcome(False, 0.0, reason=error.reason)

    def verdict(self, request: VerifyRequest) -> Outcome:
        """C's verdict; DomainError, usually NoVerdict, if the domain gives none."""
        if refused := refusal(request.steps):
            return refused
        message = {
            "task": dataclasses.asdict(request.task),
            "steps": [(step.reasoning, step.action, step.citations) for step in request.steps],
            "passages": request.passages,
            "student": request.student,
        }
        try:
            return self._verdict(request.task, message)
        except (ValueError, TypeError, RecursionError):
            return Outcome(False, 0.0, reason="the answer cannot be sent")
        except TimeoutError:
            self.kill()
            within = f"within {self.timeout_s:g} s"
            why, reason = f"no answer {within}", f"no verdict {within}"
            raise NoVerdict(
                request.task, "hangs", why=why, fix=MEND_OR_WAIT, reason=reason
            ) from None

    def _verdict(self, task: Task, message: dict[str, Any]) -> Outcome:
        """A worker that dies is replaced once, as it may have died of what came before."""
        why = ""
        for _ in range(2):
            try:
                self.load(task.domain)
                reply = self._ask("verify", task.domain, self.timeout_s, **message)
                if "error" not in reply:
                    return read_verdict(reply)
                reason = "the verifier raised an error on this answer"
                raise NoVerdict(task, "raised", why=str(reply["error"]), reason=reason)
            except BrokenFrame as error:
                self.kill()
                why = f"its process died ({error})"
                logger.warning("verifier restarted: %s", error)
        raise NoVerdict(task, "has no verdict", why=why, reason="the verifier died on this answer")

    def load(self, domain: str) -> None:
        """Make sure that the worker has the domain at hand; DomainError if it cannot."""
        if self._end is None or domain not in self._loaded:
            self._must("load", domain)
            self._loaded.add(domain)

    def check(self, domain: str) -> None:
        """Play the domain's reference solutions; DomainError if it raises, hangs or loses."""
        self.load(domain)
        self._must("check", domain)

    def prepare(self, domain: str, level: str, count: int, *, seed: int) -> None:
        """Have the worker make these training tasks, so that no verdict on them waits for a game.

        What goes wrong is not told; it goes wrong again where it matters.
        """
        fields = {"level": level, "count": count, "seed": seed}
        try:
            self._ask("prepare", domain, max(self.load_timeout_s, float(count)), **fields)
        except (TimeoutError, BrokenFrame):
            self.kill()

    def _must(self, kind: str, domain: str) -> None:
        """Ask what a sound domain answers; DomainError naming it, with its own words."""
        try:
            reply = self._ask(kind, domain, self.load_timeout_s)
            why = str(reply.get("error", "")) if reply.get("ok") is not True else ""
            if not why and reply.get("ok") is True:
                return
        except TimeoutError:
            why = f"no answer within {self.load_timeout_s:g} s"
        except BrokenFrame as error:
            why = f"its process died ({error})"
        self.kill()
        raise DomainError(
            f"domain {domain} failed its {kind}", why=why, fix="mend or uninstall the plug-in"
        )

    def _ask(self, kind: str, domain: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """One request and its reply; BrokenFrame unless the reply carries the nonce."""
        self._start()
        nonce = secrets.token_hex(16)
        request = {"kind": kind, "domain": domain, "nonce": nonce, "timeout_s": timeout_s, **fields}
        write_frame(self._request_fd, encode(request), timeout_s=timeout_s)
        reply = read_frame(self._verdict_fd, timeout_s=timeout_s)
        if not hmac.compare_digest(str(reply.get("nonce")).encode(), nonce.encode()):
            raise BrokenFrame("the verdict has the wrong nonce")
        return reply

    def _start(self) -> None:
        """A worker, if none runs."""
        if self._end is not None:
            return
        if self._stopped:
            raise BrokenFrame("it was stopped")
        child_request, self._request_fd = os.pipe()
        self._verdict_fd, child_verdict = os.pipe()
        root = str(Path(goldsmith.__file__).parents[1])
        numbers = [str(child_request), str(child_verdict), str(self.memory_mb)]
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-W", "ignore", "-c", START, root, *numbers],
            cwd="/",
            env=ENVIRONMENT,
            pass_fds=(child_request, child_verdict),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._pid = process.pid
        os.close(child_request)
        os.close(child_verdict)
        os.set_blocking(self._request_fd, False)
        self._end = weakref.finalize(self, _end, process, self._request_fd, self._verdict_fd)
        self._loaded = set()
        write_frame(self._request_fd, encode({"path": [path for path in sys.path if path]}))
        try:
            greeting = read_frame(self._verdict_fd, timeout_s=START_TIMEOUT_S)
        except TimeoutError:
            raise BrokenFrame("the verifier does not start") from None
        self.isolated = greeting.get("isolated") is True

    def stop(self) -> None:
        """From another thread: end the worker for good, so that whoever waits for it goes on."""
        self._stopped = True
        if self._end is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the worker and everything below it; the next request starts another."""
        if self._end is not None:
            self._end()
            self._end = None


def _end(process: subprocess.Popen[bytes], *descriptors: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for descriptor in descriptors:
        os.close(descriptor)


class VerifierPool:
    """Persistent workers behind one call; close it, or use it in a `with`."""

    def __init__(
        self,
        *,
        workers: int = 1,
        timeout_s: float = TIMEOUT_S,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        self._workers = [
            VerifierProcess(timeout_s=timeout_s, load_timeout_s=load_timeout_s, memory_mb=memory_mb)
            for _ in range(workers)
        ]
        self._idle: queue.SimpleQueue[VerifierProcess] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def outcomes(self, requests: Sequence[VerifyRequest]) -> list[Outcome]:
        """One outcome a request, in order; DomainError if a domain cannot be loaded."""
        if len(self._workers) == 1:
            return [self._outcome(request) for request in requests]
        with ThreadPoolExecutor(len(self._workers)) as threads:
            return list(threads.map(self._outcome, requests))

    def check(self, domain: str) -> None:
        """DomainError naming the domain if it does not load, raises, hangs or cannot be won."""
        worker = self._idle.get()
        try:
            worker.check(domain)
        finally:
            self._idle.put(worker)

    def _outcome(self, request: VerifyRequest) -> Outcome:
        worker = self._idle.get()
        try:
            return worker.outcome(request)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
