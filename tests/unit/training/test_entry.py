"""The master of a job ends one that is silent, and leaves one alone that is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from goldsmith.training.entry import SILENCE, allowed_silence_s, watch

TALKS = """
import sys, time
for number in range(30):
    open(sys.argv[1], "a").write("{}\\n")
    time.sleep(0.1)
"""


def start(code: str, progress: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, str(progress)]
    return subprocess.Popen(command)


def test_a_job_that_hangs_is_killed_and_named(tmp_path: Path) -> None:
    process = start("import time; time.sleep(600)", tmp_path / "progress")
    failure = watch(process, tmp_path / "progress", silence_s=0.3, look_s=0.05)
    assert failure and failure.kind == "hang" and failure.retryable
    assert process.returncode == -9


def test_a_job_that_tells_its_progress_is_left_alone(tmp_path: Path) -> None:
    process = start(TALKS, tmp_path / "progress")
    assert watch(process, tmp_path / "progress", silence_s=2, look_s=0.05) is None
    assert process.returncode == 0


def test_without_a_limit_silence_is_no_failure(tmp_path: Path) -> None:
    process = start("import time; time.sleep(0.4)", tmp_path / "progress")
    assert watch(process, tmp_path / "progress", silence_s=0, look_s=0.05) is None


def test_a_worker_may_be_silent_since_only_the_master_tells_progress() -> None:
    assert allowed_silence_s({SILENCE: "60", "PET_NODE_RANK": "0"}) == 60
    assert allowed_silence_s({SILENCE: "60", "PET_NODE_RANK": "1"}) == 0
    assert allowed_silence_s({SILENCE: "60", "RANK": "1"}) == 0
