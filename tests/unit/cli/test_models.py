"""The registry from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goldsmith import cli
from goldsmith.registry import models
from goldsmith.store.object_store import ObjectStore, open_store
from tests.unit.registry.artefacts import write_model

RUN = {"run_id": "r1", "domain": "cooking", "seed": 3}
GATE = {"word": "hold", "reasons": ["target suite hard: not shown to be better than live"]}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Gold has a base, which is live, and a candidate `v2`."""
    monkeypatch.setenv("GOLDSMITH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "key.pem"))
    monkeypatch.delenv("GOLDSMITH_TRUSTED_KEY", raising=False)
    store = open_store(str(tmp_path / "store"))
    write_model(tmp_path / "model")
    lineage = {"run": RUN, "judged_against": "base"}
    models.add(store, tmp_path / "model", tier="gold", version="base", lineage={"source": "test"})
    models.add(store, tmp_path / "model", tier="gold", version="v2", lineage=lineage, gate=GATE)
    models.promote(store, "gold", "base", cause="test")
    return store


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli._run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_says_which_version_is_live(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = asked(capsys, "models", "list")
    assert [(row["version"], row["live"]) for row in rows] == [("base", True), ("v2", False)]
    assert cli._run(["models", "list", "gold"]) == 0
    assert "r1" in capsys.readouterr().out


def test_promote_then_rollback_is_where_it_began(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(capsys, "models", "promote", "gold/v2")["live"] == "v2"
    alias = asked(capsys, "rollback", "gold")
    assert (alias["live"], alias["epoch"]) == ("base", 3)
    assert "rolled back from v2 by " in alias["cause"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["models", "promote", "gold/v2"], id="promote"),
        pytest.param(["models", "export", "gold", "out"], id="export"),
        pytest.param(["rollback", "gold"], id="rollback"),
    ],
)
def test_dry_run_changes_nothing(
    arguments: list[str],
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked(capsys, *arguments, "--dry-run")
    assert cli._run([*arguments, "--dry-run"]) == 0
    assert models.live(store, "gold") == "base"
    assert not (tmp_path / "out").exists()


def test_export_writes_the_verified_files(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["models", "export", "gold", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert cli._run(["models", "export", "gold", str(tmp_path / "out")]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_why_tells_run_gate_and_what_is_live(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["why", "gold/v2"]) == 0
    text = capsys.readouterr().out
    for words in ("is not live; base is", "trained by run r1", "gate: hold", "not shown to be"):
        assert words in text
    assert asked(capsys, "why", "gold/v2")["gate"]["word"] == "hold"


def test_show_and_verify_name_every_file(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "model.safetensors" in asked(capsys, "models", "show", "gold")["files"]
    assert asked(capsys, "models", "verify", "models/gold/v2")["verified"]
    assert cli._run(["models", "show", "gold/v2"]) == 0
    assert cli._run(["models", "verify", "gold/v2"]) == 0


def test_a_version_that_is_not_there_gets_the_nearest(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["models", "show", "gold/bas"]) == 1
    assert "did you mean base?" in capsys.readouterr().err


def test_a_damaged_version_is_not_promoted(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "store/models/gold/v2/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert cli._run(["models", "promote", "gold/v2"]) == 1
    assert "model.safetensors is damaged" in capsys.readouterr().err
    assert models.live(store, "gold") == "base"
