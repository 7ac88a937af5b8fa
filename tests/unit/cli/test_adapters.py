"""`goldsmith adapters` moves aliases in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goldsmith.cli.adapters import app
from goldsmith.errors import ConfigError, GoldsmithError, NotFoundError
from goldsmith.registry import models
from goldsmith.store.object_store import ObjectStore, open_store
from tests.unit.registry.artefacts import change_json, write_adapter


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("GOLDSMITH_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("GOLDSMITH_ROUTER_ADMIN", raising=False)
    return open_store(str(tmp_path / "store"))


@pytest.fixture(name="folders")
def _folders(tmp_path: Path) -> list[Path]:
    made = [write_adapter(tmp_path / f"a{number}") for number in range(2)]
    change_json(made[1], "adapter_config.json", lora_alpha=9)
    return made


def asked(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return json.loads(result.stdout)


def test_swap_registers_a_folder_and_rollback_goes_back(
    store: ObjectStore, folders: list[Path]
) -> None:
    one = asked("swap", "gold/cook", folders[0])
    two = asked("swap", "gold/cook", folders[1])
    assert (one["epoch"], two["epoch"]) == (1, 2)
    assert two["name"].startswith("cook--") and two["name"] != one["name"]
    (row,) = asked("list", "gold")
    assert (row["version"], row["previous"], row["routed"]) == (two["live"], [one["live"]], None)
    assert asked("rollback", "gold/cook")["live"] == one["live"]
    assert asked("swap", "gold/cook", two["live"])["epoch"] == 4


def test_a_dry_run_registers_and_moves_nothing(store: ObjectStore, folders: list[Path]) -> None:
    would = asked("swap", "gold/cook", folders[0], "--dry-run")
    assert models.versions(store, "gold") == []
    done = asked("swap", "gold/cook", folders[0])
    assert (would["would_be"], would["name"]) == (done["live"], done["name"])
    asked("swap", "gold/cook", folders[1])
    assert asked("rollback", "gold/cook", "--dry-run")["would_be"] == done["live"]
    assert asked("list")[0]["epoch"] == 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        pytest.param(["swap", "golt/cook", "x"], ConfigError, "gold", id="tier"),
        pytest.param(["swap", "gold", "x"], ConfigError, "refused", id="no adapter"),
        pytest.param(["swap", "gold/a--b", "x"], ConfigError, "refused", id="odd name"),
        pytest.param(["swap", "gold/cook", "x"], NotFoundError, "neither a folder", id="source"),
        pytest.param(["rollback", "gold/cook"], NotFoundError, "no live version", id="unknown"),
    ],
)
def test_a_mistake_is_named(
    store: ObjectStore, arguments: list[str], error: type[GoldsmithError], words: str
) -> None:
    with pytest.raises(error, match=words):
        asked(*arguments)
