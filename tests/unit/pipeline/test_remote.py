"""A run whose steps are pods: what its steps leave in the store, since nobody watches them."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import yaml

from goldsmith.config.load import load_config
from goldsmith.errors import ConfigError, DataError, StoreError
from goldsmith.pipeline import remote
from goldsmith.pipeline.manifest import read_run_manifest
from goldsmith.pipeline.runs import load_run, new_run, save_run
from goldsmith.pipeline.step import step
from goldsmith.registry import models
from goldsmith.registry.bases import TIERS
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once
from tests.fixtures.clusters import cpu_values


@pytest.fixture(autouse=True)
def _in_a_pod(tmp_path: Path) -> Iterator[None]:
    """The environment of a step's pod, its cluster in a file; a step's own process is put back."""
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(cpu_values()))
    handler, level = signal.getsignal(signal.SIGTERM), logging.getLogger("goldsmith").level
    root = logging.root.handlers[:], logging.root.level
    logging.root.handlers = []
    told = {"GOLDSMITH_CLUSTER": str(tmp_path / "cluster.yaml")}
    with mock.patch.dict(os.environ, told):
        yield
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger("goldsmith").setLevel(level)
    logging.root.handlers, logging.root.level = root


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def run_of(store: ObjectStore) -> dict[str, str]:
    """What plain `kfp run create` is told of a run."""
    return {"run_id": "r", "profile": "smoke", "store": store.url}


def test_the_first_step_makes_the_bases_live(store: ObjectStore) -> None:
    with step("collaborate", run_of(store)):
        assert [models.live(store, tier) for tier in TIERS] == ["base"] * 3


def test_a_failure_is_in_the_manifest_and_travels_on(store: ObjectStore) -> None:
    with pytest.raises(DataError), step("collaborate", run_of(store)):
        raise DataError("data set d is corrupt", fix="write it again")
    manifest = read_run_manifest(store, "r") or {}
    assert (manifest["status"], manifest["at_step"]) == ("failed", "collaborate")
    assert manifest["cause"] == "collaborate failed: data set d is corrupt; write it again"


def test_trouble_with_the_manifest_does_not_hide_the_cause(
    store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(DataError), step("collaborate", run_of(store)):
        Path(store.url, "runs").write_text("no folder")
        raise DataError("data set d is corrupt")


def test_the_last_step_ends_the_run_with_manifest_and_report(store: ObjectStore) -> None:
    with pytest.raises(StoreError), step("train_srl", run_of(store)):
        raise StoreError("the store was away")
    with step("roll_out", run_of(store)) as this:
        once(this.run, "roll_out", {"config": this.section({})}, lambda: {"live": "base"})
    manifest = read_run_manifest(store, "r") or {}
    assert (manifest["status"], manifest["cause"], manifest["attempts"]) == ("finished", "", 2)
    assert manifest["live"] == "base"
    assert b"<html" in store.get(manifest["report"])


def test_no_other_step_ends_the_run(store: ObjectStore) -> None:
    with step("register", run_of(store)):
        pass
    assert read_run_manifest(store, "r") is None


def test_a_run_that_nobody_saved_is_saved_as_its_steps_were_told(store: ObjectStore) -> None:
    given = {"updates": 3}
    with step("train_srl", run_of(store)) as this:
        config = this.section(given).model_dump(mode="json")
        once(this.run, "train_srl", {"config": config}, lambda: {"model": "m"})
    remote.note_failure(this.run, "train_rlvr", "it was killed")
    saved = load_run(store, "r").config
    assert saved.srl.updates == 3
    assert saved.rlvr == load_config("smoke").rlvr


def test_a_saved_run_is_left_as_it_is(store: ObjectStore) -> None:
    config = load_config("smoke", overrides=["srl.updates=7"])
    save_run(store, new_run(config, store_url=store.url, profile="smoke", run_id="r", threads=1))
    with pytest.raises(DataError), step("train_srl", run_of(store)):
        raise DataError("no")
    assert load_run(store, "r").config == config


def test_a_run_without_a_name_is_refused_in_one_line(store: ObjectStore) -> None:
    with (
        pytest.raises(ConfigError, match=r"^missing key 'run_id'$"),
        step("collaborate", {"store": store.url}),
    ):
        pass


def test_a_step_in_a_pod_computes_with_as_many_threads_as_one_on_a_laptop(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with step("evaluate", run_of(store)):
        assert os.environ["OMP_NUM_THREADS"] == "1"
