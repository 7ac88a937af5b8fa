"""A step's work is done once."""

import re
from pathlib import Path
from typing import Any

import pytest

from goldsmith.config.run import RunContext
from goldsmith.errors import ConflictError, IntegrityError, RunError
from goldsmith.store import steps
from goldsmith.store.object_store import open_store
from goldsmith.store.steps import once, read_step, step_key


def test_work_is_done_once_and_its_outputs_are_kept(tmp_path: Path) -> None:
    run, calls = _run(tmp_path), []

    def work() -> dict[str, Any]:
        calls.append(1)
        return {"model": "m/1"}

    assert once(run, "train_srl", {"dataset": "d"}, work) == {"model": "m/1"}
    assert once(run, "train_srl", {"dataset": "d"}, work) == {"model": "m/1"}
    assert len(calls) == 1


def test_the_record_says_when_how_long_and_how_much_memory(tmp_path: Path) -> None:
    run = _run(tmp_path)
    once(run, "evaluate", {"model": "m"}, lambda: {"scores": "s"})
    record = read_step(open_store(run.store), "r1", "evaluate")
    assert record is not None
    assert record["inputs"] == {"model": "m"} and record["outputs"] == {"scores": "s"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", record["started"])
    assert record["started"] <= record["ended"] and record["seconds"] >= 0
    assert 1 < record["peak_memory_mb"] < 100_000


def test_work_that_fails_is_not_recorded(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with pytest.raises(ZeroDivisionError):
        once(run, "evaluate", {}, lambda: {"x": 1 // 0})
    assert once(run, "evaluate", {}, lambda: {"x": 1}) == {"x": 1}


def test_other_inputs_are_refused_and_say_what_to_do(tmp_path: Path) -> None:
    run = _run(tmp_path)
    once(run, "evaluate", {"games": 1}, lambda: {"x": 1})
    with pytest.raises(RunError, match=r"step evaluate of run r1 .* start a new run"):
        once(run, "evaluate", {"games": 2}, lambda: {"x": 1})


def test_another_version_of_the_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(tmp_path)
    once(run, "evaluate", {}, lambda: {"x": 1})
    monkeypatch.setattr(steps, "__version__", "9.9.9")
    with pytest.raises(RunError, match="another configuration, input or version"):
        once(run, "evaluate", {}, lambda: {"x": 1})


def test_two_workers_with_one_result_agree(tmp_path: Path) -> None:
    run = _run(tmp_path)

    def work() -> dict[str, Any]:
        return once(run, "evaluate", {}, lambda: {"x": 1})  # another worker ends first

    assert once(run, "evaluate", {}, work) == {"x": 1}


def test_two_workers_with_different_results_are_an_error(tmp_path: Path) -> None:
    run = _run(tmp_path)

    def work() -> dict[str, Any]:
        once(run, "evaluate", {}, lambda: {"x": 1})
        return {"x": 2}

    with pytest.raises(ConflictError, match="done twice with different outputs"):
        once(run, "evaluate", {}, work)
    assert once(run, "evaluate", {}, work) == {"x": 1}


def test_a_damaged_record_is_named_and_not_believed(tmp_path: Path) -> None:
    run = _run(tmp_path)
    once(run, "evaluate", {}, lambda: {"x": 1})
    path = tmp_path / step_key("r1", "evaluate")
    path.write_bytes(path.read_bytes().replace(b'"x":1', b'"x":2'))
    with pytest.raises(IntegrityError, match=r"runs/r1/steps/evaluate\.json is damaged"):
        once(run, "evaluate", {}, lambda: {"x": 1})


def _run(tmp_path: Path) -> RunContext:
    return RunContext(run_id="r1", domain="toy", tier="gold", seed=0, store=str(tmp_path))
