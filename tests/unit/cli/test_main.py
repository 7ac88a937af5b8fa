"""Exit codes, and every mistake on one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from goldsmith import cli
from goldsmith.registry.bases import ensure_bases
from goldsmith.store.object_store import open_store

USAGE = [
    pytest.param(["fly"], "No such command 'fly'", id="verb"),
    pytest.param(["run", "--sed", "1"], "--seed", id="option"),
    pytest.param(["run", "--seed", "x"], "valid integer", id="no number"),
    pytest.param(["run", "--profile", "labtop"], "did you mean laptop?", id="profile"),
    pytest.param(["run", "--tier", "golden"], "'bronze', 'silver' or 'gold'", id="tier"),
    pytest.param(["run", "--domain", "cookin"], "did you mean 'cooking'?", id="domain"),
    pytest.param(
        ["run", "evaluate.suites.0.level=hart"], "did you mean hard?", id="level of a suite"
    ),
    pytest.param(
        ["run", "--domain", "reasoning"],
        "reasoning has chain_sum-easy, ",
        id="levels of another domain",
    ),
    pytest.param(["run", "srl.grup_size=4"], "did you mean srl.group_size?", id="key"),
    pytest.param(["run", "srl.group_size=1"], "greater than or equal to 2", id="value"),
    pytest.param(["run", "--config", "none.yaml"], "No such file", id="config file"),
    pytest.param(["run", "-p", "smoke", "--config", "x.yaml"], "give one", id="two sources"),
    pytest.param(["run", "--run-id", "a/b"], "run id 'a/b' is refused", id="run id"),
    pytest.param(["run", "--resume", "r", "seed=1"], "keeps its saved", id="changed resume"),
    pytest.param(["models", "list", "golden"], "did you mean gold?", id="models tier"),
    pytest.param(["rollback", "lead"], "there are: bronze, gold, silver", id="rollback tier"),
    pytest.param(["check", "data"], "give a path", id="check without path"),
]
FAILURES = [
    pytest.param(["run", "--resume", "r1"], "no run 'r1'", id="resume"),
    pytest.param(["status", "r1"], "no run 'r1'", id="status"),
    pytest.param(["logs", "r1"], "no run 'r1'", id="logs"),
    pytest.param(["report", "r1"], "no run 'r1'", id="report"),
    pytest.param(["ledger", "../../etc"], "no run '../../etc'", id="ledger"),
    pytest.param(["models", "show", "gold/v1"], "registers the bases", id="no models"),
    pytest.param(["why", "gold"], "no live version", id="nothing live"),
    pytest.param(["rollback", "gold"], "no live version", id="rollback"),
    pytest.param(["check", "model", "/nowhere"], "it is not a folder", id="no model"),
    pytest.param(["run", "srl.model=/nowhere"], "it is not a folder", id="train no model"),
    pytest.param(
        ["run", "--dry-run", "--store", "ftp://x"], "cannot be opened", id="plan without store"
    ),
    pytest.param(
        ["run", "--dry-run", "--store", "/dev/null/x"], "Not a directory", id="plan below a file"
    ),
]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOLDSMITH_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "store"


@pytest.mark.parametrize(("arguments", "expected"), USAGE)
def test_a_mistake_is_exit_2_and_one_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("goldsmith: ")
    assert expected in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(("arguments", "expected"), FAILURES)
def test_a_failure_is_exit_1_and_one_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(arguments) == 1
    captured = capsys.readouterr()
    assert expected in captured.err
    assert (captured.err.startswith("goldsmith: "), captured.err.count("\n")) == (True, 1)


def test_debug_shows_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDSMITH_DEBUG", "1")
    with pytest.raises(Exception, match="no run 'r1'"):
        cli._run(["status", "r1"])


def test_without_arguments_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run([]) == 0
    assert "Usage: goldsmith" in capsys.readouterr().out


def test_dry_run_says_everything_and_creates_nothing(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    arguments = ["run", "-p", "smoke", "--run-id", "r1", "--dry-run", "--json", "srl.updates=3"]
    assert cli._run(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["config"]["srl"]["updates"] == 3
    assert "runs/r1/manifest.json" in document["objects"]
    assert "aliases/bronze.json" in document["objects"]
    assert not store.exists()


def test_dry_run_leaves_out_the_bases_that_are_live(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    ensure_bases(open_store(str(store)))
    assert cli._run(["run", "-p", "smoke", "--dry-run", "--json"]) == 0
    objects = json.loads(capsys.readouterr().out)["objects"]
    assert [key for key in objects if key.startswith("aliases/")] == ["aliases/gold.json"]
    assert not any(key.endswith("/base/") for key in objects)


def test_dry_run_for_people_prints_yaml_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["run", "-p", "smoke", "--run-id", "r1", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "srl:\n" in text
    assert "/store/runs/r1/config.json" in text


def test_a_closed_pipe_is_no_stack_trace() -> None:
    command = f"{sys.executable} -m goldsmith.cli run --dry-run | true"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert answer.stderr == ""


def test_ctrl_c_is_exit_130_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(run: object, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("goldsmith.cli.inspect.run_ids", interrupt)
    assert cli._run(["status"]) == 130
    assert capsys.readouterr().err == "goldsmith: interrupted\n"
