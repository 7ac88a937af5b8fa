"""Starts the processes of a stack, waits until they are ready, and keeps them up.

Each runs in a group of its own with its output in `<state>/logs/<part>.log`. One that ends is
started again, at most `RESTARTS` times. They are stopped in reverse order, so that the router
drains while its engines still answer; and they die with this process, however it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from goldsmith.errors import ServingError
from goldsmith.serving.local.stack import Part, Stack

log = logging.getLogger(__name__)

READY_S = 180.0
"""vLLM on a busy CPU takes most of it; the built-in engine a few seconds."""
RESTARTS = 3
DRAIN_S = 40.0
"""After SIGTERM; then SIGKILL."""
_POLL_S = 0.1


class Supervisor:
    """The running processes of one stack."""

    def __init__(self, stack: Stack, state: Path) -> None:
        self._stack, self._logs = stack, state / "logs"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ready: set[str] = set()
        self._restarts: dict[str, int] = {}

    def start(self, tell: Callable[[str, float], None]) -> None:
        """Start everything; `tell` is given each part as it becomes ready, and after how long.

        ServingError names the part that does not come up, with the end of its log.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        while len(self._ready) < len(self._stack.parts):
            self._start_next()
            for part in self._becoming_ready():
                tell(part.name, time.monotonic() - began)
            if time.monotonic() - began > READY_S:
                late = ", ".join(p.name for p in self._stack.parts if p.name not in self._ready)
                raise ServingError(f"{late} not ready after {READY_S:g} s", why=self._last(late))
            time.sleep(_POLL_S)

    def watch(self, moved: Callable[[], bool] = lambda: False) -> None:
        """Keep everything up until `moved` says that it is out of date; ServingError."""
        while not moved():
            for part in self._stack.parts:
                if (code := self._running[part.name].poll()) is not None:
                    self._restart(part, code)
            time.sleep(1.0)

    def stop(self) -> None:
        """End every process: the last started first, each with time to drain."""
        for name in reversed(list(self._running)):
            _terminate(self._running.pop(name))

    def _start_next(self) -> None:
        for part in self._stack.parts:
            if part.name not in self._running and self._ready.issuperset(part.after):
                self._spawn(part)

    def _becoming_ready(self) -> Iterator[Part]:
        for part in self._stack.parts:
            if part.name not in self._running or part.name in self._ready:
                continue
            if (code := self._running[part.name].poll()) is not None:
                raise _ended(part, code, self._last(part.name))
            if answers(part.ready):
                self._ready.add(part.name)
                yield part

    def _spawn(self, part: Part) -> None:
        with (self._logs / f"{part.name}.log").open("ab") as output:
            self._running[part.name] = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **part.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _restart(self, part: Part, code: int) -> None:
        self._restarts[part.name] = self._restarts.get(part.name, 0) + 1
        if self._restarts[part.name] > RESTARTS:
            raise _ended(part, code, self._last(part.name))
        log.warning("%s ended with %d and is started again", part.name, code)
        self._spawn(part)

    def _last(self, name: str) -> str:
        """The last line that a part wrote."""
        with contextlib.suppress(OSError):
            lines = (self._logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""


def answers(url: str) -> bool:
    """Whether `url` answers 200 now."""
    try:
        with urlopen(url, timeout=1.0) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError, ValueError):
        return False


def _ended(part: Part, code: int, last: str) -> ServingError:
    return ServingError(
        f"{part.name} ended with {code}", why=last, fix="see its log in the state folder"
    )


def _terminate(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(DRAIN_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Linux kills the child when the thread that started it is gone (prctl(2))."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
