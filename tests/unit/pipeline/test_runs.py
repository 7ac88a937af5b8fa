"""Runs in the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goldsmith.config.load import load_config, profiles
from goldsmith.config.run import RunConfig
from goldsmith.errors import ConfigError, IntegrityError, RunError
from goldsmith.pipeline import runs
from goldsmith.pipeline.runs import Run, config_key, load_run, new_run, run_ids, save_run
from goldsmith.store.object_store import open_store


def make_run(store: Path, run_id: str = "r1", *overrides: str) -> Run:
    config = load_config("smoke", overrides=overrides)
    return new_run(config, store_url=str(store), profile="smoke", run_id=run_id, threads=3)


def test_a_saved_run_is_read_back_whole(tmp_path: Path) -> None:
    store, run = open_store(str(tmp_path)), make_run(tmp_path)
    save_run(store, run)
    assert load_run(store, "r1") == run
    assert run_ids(store) == ["r1"]


def test_a_store_that_was_moved_is_the_runs_new_store(tmp_path: Path) -> None:
    save_run(open_store(str(tmp_path / "a")), make_run(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    moved = open_store(str(tmp_path / "b"))
    assert load_run(moved, "r1").context.store == moved.url


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    save_run(store, make_run(tmp_path))
    with pytest.raises(RunError, match="run r1 exists"):
        save_run(store, make_run(tmp_path, "r1", "seed=1"))


def test_an_unknown_run_gets_the_nearest_name(tmp_path: Path) -> None:
    save_run(open_store(str(tmp_path)), make_run(tmp_path, "gold-one"))
    with pytest.raises(RunError, match=r"did you mean gold-one\?"):
        load_run(open_store(str(tmp_path)), "gold-on")


def test_a_configuration_that_was_edited_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    save_run(store, make_run(tmp_path))
    path = tmp_path / config_key("r1")
    path.write_text(path.read_text().replace('"seed":0', '"seed":1'))
    with pytest.raises(IntegrityError, match=r"runs/r1/config\.json"):
        load_run(store, "r1")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "x" * 64, "é"])
def test_a_run_id_that_could_leave_its_place_is_refused(name: str, tmp_path: Path) -> None:
    if not name:
        assert make_run(tmp_path, "").run_id.startswith("gold-")
        return
    with pytest.raises(ConfigError, match="run id"):
        make_run(tmp_path, name)


@pytest.mark.parametrize("profile", profiles())
def test_parameters_survive_kfps_numbers(profile: str, tmp_path: Path) -> None:
    """KFP turns every integer inside a dict into a float and refuses null."""
    config = load_config(profile)
    run = new_run(config, store_url=str(tmp_path), profile=profile)
    sections = json.loads(json.dumps(run.parameters()), parse_int=float)
    context = sections.pop("run")
    chosen = {"domain": config.domain, "tier": config.tier}
    assert RunConfig.model_validate({**sections, **chosen}) == config
    assert type(run.context).model_validate(context) == run.context


def test_a_null_that_kfp_would_lose_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_without_none", lambda values: {})
    with pytest.raises(ConfigError, match="null"):
        make_run(tmp_path, "r1", "srl.updates=3").parameters()


def test_the_store_comes_from_flag_then_environment_then_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GOLDSMITH_STORE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runs.resolve_store() == str(tmp_path / ".goldsmith")
    monkeypatch.setenv("GOLDSMITH_STORE", "s3://bucket/prefix")
    assert runs.resolve_store() == "s3://bucket/prefix"
    assert runs.resolve_store("here") == str(Path.cwd() / "here")


@pytest.mark.parametrize(("given", "threads"), [("", 1), ("3", 3), ("many", 1), ("0", 1)])
def test_threads_are_one_unless_told(
    given: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert runs.default_threads() == threads
