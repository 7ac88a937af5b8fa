"""A lifeline: the processes of a run end when the one that started it is gone, however it died.

The holder keeps the write end of a named pipe open, the others wait for its end in a thread. The
kernel closes it with the holder, on kill -9 too, and every watcher then kills its process group.
The pipe is named by GOLDSMITH_LIFELINE, so grandchildren (torchrun's workers) can watch it as well.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

VARIABLE = "GOLDSMITH_LIFELINE"


class Lifeline:
    """The holder's end; `cut` ends every process that watches it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # O_WRONLY waits for a reader

    def cut(self) -> None:
        """Let go; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def watch() -> None:
    """Die with the holder of the lifeline in the environment; without one, do nothing.

    For processes that were started in a group of their own: the whole group is killed.
    """
    if name := os.environ.get(VARIABLE):
        threading.Thread(target=_wait, args=(name,), name="lifeline", daemon=True).start()


def _wait(name: str) -> None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)  # without a holder: end at once
        os.set_blocking(descriptor, True)
        while os.read(descriptor, 1):
            pass
    except OSError:
        pass  # the pipe is gone, and so is its holder
    os.killpg(0, signal.SIGKILL)
