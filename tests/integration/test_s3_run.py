"""A run whose store is S3: its files are kept here while it runs, and uploaded at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldsmith import cli
from goldsmith.config.load import load_config
from goldsmith.errors import RunError
from goldsmith.pipeline.execute import execute
from goldsmith.pipeline.lease import Lease
from goldsmith.pipeline.manifest import read_run_manifest
from goldsmith.pipeline.runs import Run, new_run, save_run
from goldsmith.store.object_store import ObjectStore, open_store
from tests.unit.pipeline.toy import compile_toy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TOY_FOLDER", str(tmp_path))
    return tmp_path


def saved(store: ObjectStore) -> Run:
    run = new_run(load_config("smoke"), store_url=store.url, profile="smoke", run_id="r", threads=1)
    save_run(store, run)
    return run


def test_a_run_on_either_store_leaves_its_log_and_manifest_there(
    store_url: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(store_url)
    run = saved(store)
    pipeline = compile_toy(folder / "toy.yaml")
    manifest = execute(store, run, listener=lambda lines: None, pipeline=pipeline)
    assert manifest["status"] == "finished"
    assert b"KFP Executor" in store.get("runs/r/attempts/1/pipeline.log")
    assert cli._run(["ledger", "r", "--store", store_url]) == 0
    assert "collaborate" in capsys.readouterr().out


def test_a_failed_run_on_either_store_says_why_and_goes_on(store_url: str, folder: Path) -> None:
    store, pipeline = open_store(store_url), compile_toy(folder / "toy.yaml")
    run = saved(store)
    (folder / "fail").touch()
    with pytest.raises(RunError, match="data set d is corrupt"):
        execute(store, run, listener=lambda lines: None, pipeline=pipeline)
    assert (read_run_manifest(store, "r") or {})["status"] == "failed"
    (folder / "fail").unlink()
    manifest = execute(store, run, listener=lambda lines: None, pipeline=pipeline)
    assert (manifest["status"], manifest["attempts"]) == ("finished", 2)


def test_the_lease_holds_on_either_store(store_url: str) -> None:
    with Lease(open_store(store_url), "r"), pytest.raises(RunError, match="is running"):
        Lease(open_store(store_url), "r").__enter__()
    with Lease(open_store(store_url), "r"):
        pass
