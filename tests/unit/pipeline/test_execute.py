"""The real KFP runner over a small compiled pipeline: success, failure, kill, resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldsmith.config.load import load_config
from goldsmith.errors import RunError
from goldsmith.pipeline.execute import execute
from goldsmith.pipeline.manifest import read_run_manifest
from goldsmith.pipeline.memory import descendants
from goldsmith.pipeline.runs import Run, new_run, save_run
from goldsmith.store.object_store import ObjectStore, open_store
from tests.unit.pipeline.toy import compile_toy, skipping

PARENT = """
import sys
from goldsmith.pipeline.execute import execute
from goldsmith.pipeline.runs import load_run
from goldsmith.store.object_store import open_store
from pathlib import Path
store = open_store(sys.argv[1])
execute(store, load_run(store, "r"), listener=lambda lines: None, pipeline=Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_toy(tmp_path_factory.mktemp("toy") / "toy.yaml")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """In a folder whose name KFP's own runner would replace."""
    (tmp_path / "python3").mkdir()
    return open_store(str(tmp_path / "python3"))


@pytest.fixture
def run(store: ObjectStore) -> Run:
    config = load_config("smoke", overrides=["collaborate.passages=7"])
    run = new_run(config, store_url=store.url, profile="smoke", run_id="r", threads=1)
    save_run(store, run)
    return run


def wait_for(condition: Callable[[], object]) -> None:
    """Until it holds, for at most 20 s."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)  # a poll of another process, not a pause


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def step_pid(store: ObjectStore) -> int:
    path = Path(store.url, "pid.txt")
    wait_for(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def start(store: ObjectStore, toy: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PARENT, store.url, str(toy)])


def test_a_run_ends_with_a_manifest_and_leaves_nothing_behind(
    store: ObjectStore, run: Run, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    seen: list[dict[str, Any]] = []
    manifest = execute(store, run, listener=seen.extend, pipeline=toy)
    assert manifest["status"] == "finished"
    assert manifest["steps"]["collaborate"]["outputs"] == {"value": f"{store.url}|7.0"}
    assert [line["done"] for line in seen if "done" in line] == [1, 2, 3]
    assert manifest.items() <= (read_run_manifest(store, "r") or {}).items()
    assert not list((tmp_path / "tmp").iterdir())
    assert "KFP Executor" in Path(store.url, "runs/r/attempts/1/pipeline.log").read_text()


def test_a_failed_step_is_the_cause_in_its_own_words(
    store: ObjectStore, run: Run, toy: Path
) -> None:
    Path(store.url, "fail").touch()
    with pytest.raises(RunError) as caught:
        execute(store, run, listener=lambda lines: None, pipeline=toy)
    cause = "collaborate failed: data set d is corrupt: line 3; write it again"
    assert str(caught.value).startswith(f"{cause}; go on with: goldsmith run --resume r")
    manifest = read_run_manifest(store, "r") or {}
    assert (manifest["status"], manifest["cause"]) == ("failed", cause)
    assert manifest["at_step"] == "collaborate"


def test_a_step_that_dies_without_a_word_is_named(store: ObjectStore, run: Run, toy: Path) -> None:
    Path(store.url, "die").touch()
    with pytest.raises(RunError, match="collaborate ended without a result"):
        execute(store, run, listener=lambda lines: None, pipeline=toy)


def test_a_resumed_run_repeats_no_finished_step(store: ObjectStore, run: Run, toy: Path) -> None:
    first = execute(store, run, listener=lambda lines: None, pipeline=toy)
    again = execute(store, run, listener=lambda lines: None, pipeline=toy)
    assert again["steps"] == {**first["steps"], "validate_data": again["steps"]["validate_data"]}
    assert Path(store.url, "work-done.txt").read_text() == "first\n"
    assert again["attempts"] == 2


def test_kill_9_of_the_parent_ends_every_step_and_the_run_goes_on(
    store: ObjectStore, run: Run, toy: Path
) -> None:
    Path(store.url, "hang").touch()
    parent = start(store, toy)
    step = step_pid(store)
    family = descendants(parent.pid)
    assert step in family
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(alive(pid) for pid in family))
    Path(store.url, "hang").unlink()
    manifest = execute(store, run, listener=lambda lines: None, pipeline=toy)
    assert (manifest["status"], manifest["attempts"]) == ("finished", 2)
    assert not list(Path(store.url, "runs/r/attempts").glob("*/workspace.txt"))


def test_ctrl_c_ends_every_step_and_is_written_down(
    store: ObjectStore, run: Run, toy: Path
) -> None:
    Path(store.url, "hang").touch()
    parent = start(store, toy)
    family = [step_pid(store), *descendants(parent.pid)]
    parent.send_signal(signal.SIGINT)
    assert parent.wait(20) != 0
    assert not any(alive(pid) for pid in family)
    manifest = read_run_manifest(store, "r") or {}
    assert (manifest["status"], manifest["at_step"]) == ("interrupted", "collaborate")


class Clock:
    """The time of the watching process, which a test may put forward."""

    time = staticmethod(time.time)

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("goldsmith.pipeline.execute.time", clock)
    return clock


def test_a_step_that_hangs_is_ended_and_named_and_the_run_goes_on(
    store: ObjectStore, run: Run, toy: Path, clock: Clock
) -> None:
    Path(store.url, "hang").touch()
    others = set(descendants(os.getpid()))  # servers of other tests of this worker
    family: list[int] = []

    def listener(lines: list[dict[str, Any]]) -> None:
        if not lines and not family and Path(store.url, "pid.txt").exists():
            family.extend({step_pid(store), *descendants(os.getpid())} - others)
            clock.ahead += 601

    with pytest.raises(RunError, match=r"collaborate hangs.* no progress for 600 s.*--resume r"):
        execute(store, run, listener=listener, pipeline=toy)
    wait_for(lambda: not any(alive(pid) for pid in family))
    manifest = read_run_manifest(store, "r") or {}
    assert (manifest["status"], manifest["at_step"]) == ("failed", "collaborate")
    Path(store.url, "hang").unlink()
    assert execute(store, run, listener=lambda lines: None, pipeline=toy)["status"] == "finished"


def test_a_slow_run_that_tells_its_progress_goes_on(
    store: ObjectStore, run: Run, toy: Path, clock: Clock
) -> None:
    def listener(lines: list[dict[str, Any]]) -> None:
        clock.ahead += 400 * bool(lines)

    assert execute(store, run, listener=listener, pipeline=toy)["status"] == "finished"
    assert clock.ahead > 600


def test_a_killed_runner_takes_its_step_along(store: ObjectStore, run: Run, toy: Path) -> None:
    Path(store.url, "hang").touch()

    def kill_runner() -> None:
        step = step_pid(store)
        os.kill(os.getpgid(step), signal.SIGKILL)

    killer = threading.Thread(target=kill_runner)
    killer.start()
    with pytest.raises(RunError, match="ended without a result"):
        execute(store, run, listener=lambda lines: None, pipeline=toy)
    killer.join()
    wait_for(lambda: not alive(step_pid(store)))


def test_two_processes_on_one_run_are_one_too_many(store: ObjectStore, run: Run, toy: Path) -> None:
    Path(store.url, "hang").touch()
    parent = start(store, toy)
    step_pid(store)
    with pytest.raises(RunError, match=f"process {parent.pid} on .* works on it"):
        execute(store, run, listener=lambda lines: None, pipeline=toy)
    parent.send_signal(signal.SIGINT)
    parent.wait(20)


def test_what_kfp_skips_silently_fails_the_run(
    store: ObjectStore, run: Run, tmp_path: Path
) -> None:
    pipeline = compile_toy(tmp_path / "skipping.yaml", skipping)
    with pytest.raises(RunError, match="KFP skipped condition-1"):
        execute(store, run, listener=lambda lines: None, pipeline=pipeline)


def test_a_task_without_output_is_named(toy: Path, tmp_path: Path) -> None:
    from goldsmith.pipeline.runner import check_all_ran

    done = tmp_path / "toy-1" / "first"
    done.mkdir(parents=True)
    (done / "executor_output.json").touch()
    with pytest.raises(RunError, match="KFP skipped second"):
        check_all_ran(toy, tmp_path)
