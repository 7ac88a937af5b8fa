"""Processes end with the holder of their lifeline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from goldsmith.observability.lifeline import VARIABLE, Lifeline

WATCHER = (
    "import time; from goldsmith.observability.lifeline import watch; watch();"
    "print('up', flush=True); time.sleep(60)"
)


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WATCHER],
        env={**os.environ, VARIABLE: str(path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_watcher_lives_while_the_lifeline_is_held_and_dies_when_it_is_cut(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    with start(lifeline.path) as watcher:
        assert watcher.stdout and watcher.stdout.readline() == "up\n"
        assert watcher.poll() is None
        lifeline.cut()
        assert watcher.wait(20) == -signal.SIGKILL


def test_a_watcher_whose_holder_is_gone_already_dies_at_once(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    lifeline.cut()
    with start(lifeline.path) as watcher:
        assert watcher.wait(20) == -signal.SIGKILL


def test_a_watcher_whose_pipe_was_removed_dies(tmp_path: Path) -> None:
    with start(tmp_path / "none") as watcher:
        assert watcher.wait(20) == -signal.SIGKILL


def test_cutting_twice_is_fine(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    lifeline.cut()
    lifeline.cut()
