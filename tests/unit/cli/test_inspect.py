"""Looking at runs that a store holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goldsmith import cli
from goldsmith.config.load import load_config
from goldsmith.pipeline.lease import Lease
from goldsmith.pipeline.runs import new_run, save_run
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """One run that has done its first step and is in the middle of its second."""
    monkeypatch.setenv("GOLDSMITH_STORE", str(tmp_path))
    store = open_store(str(tmp_path))
    run = new_run(load_config("smoke"), store_url=store.url, profile="smoke", run_id="r1")
    save_run(store, run)
    once(run.context, "collaborate", {}, lambda: {"dataset": "datasets/cooking/0"})
    folder = tmp_path / "runs/r1/attempts/1"
    folder.mkdir(parents=True)
    (folder / "pipeline.log").write_text("first line\nlast line\n")
    lines = [
        {"step": "validate_data", "event": "started", "t": 1.0, "message": ""},
        {"step": "validate_data", "done": 3, "total": 9, "t": 5.0, "text": "x", "metrics": {}},
    ]
    (folder / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return store


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli._run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_that_nobody_works_on_was_interrupted(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    (state,) = asked(capsys, "status")
    assert (state["status"], state["at_step"]) == ("interrupted", "validate_data")
    assert list(state["steps"]) == ["collaborate"]


def test_a_run_that_is_worked_on_shows_its_progress(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    with Lease(store, "r1"):
        assert asked(capsys, "status", "r1")["progress"]["done"] == 3
        assert cli._run(["status", "r1"]) == 0
    text = capsys.readouterr().out
    assert "Run r1: running" in text
    assert "3/9 x" in text


def test_status_lists_runs_for_people(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["status"]) == 0
    assert "interrupted" in capsys.readouterr().out


def test_an_empty_store_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["status", "--store", str(tmp_path / "empty")]) == 0
    assert "Start one: goldsmith run" in capsys.readouterr().out


def test_logs_are_those_of_the_latest_attempt(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["logs", "r1"]) == 0
    assert capsys.readouterr().out == "first line\nlast line\n"
    assert asked(capsys, "logs", "r1")["lines"] == ["first line", "last line"]


def test_following_a_log_ends_with_the_run(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["logs", "r1", "-f"]) == 0
    assert "last line" in capsys.readouterr().out


def test_the_ledger_tells_kept_from_lost(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    document = asked(capsys, "ledger", "r1")
    assert (document["lost_s"], list(document["steps"])) == (4.0, ["collaborate"])
    assert cli._run(["ledger", "r1"]) == 0
    assert "lost" in capsys.readouterr().out


def test_check_of_a_run_names_a_missing_data_set(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["check", "r1"]) == 1
    assert "goldsmith: datasets/cooking/0: no datasets/cooking/0" in capsys.readouterr().err


def test_check_of_a_store_leaves_nothing_behind(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(store.list(""))
    (result,) = asked(capsys, "check", "store")
    assert result["ok"]
    assert list(store.list("")) == before
