"""A damaged data set is written again by the resumed run, and nothing is lost."""

from pathlib import Path

import pytest

from goldsmith.collaboration.orchestrator import collaborate
from goldsmith.config.run import CollaborateConfig, LevelMix, RunContext
from goldsmith.data.datasets import load_trajectories
from goldsmith.pipeline.damage import forget_damaged_data
from goldsmith.pipeline.manifest import manifest_key
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import read_step
from tests.fixtures.data.plugin import install

CONFIG = CollaborateConfig(tasks=(LevelMix(level="short", count=4),), lore_arms=False)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    """A failed run with a data set of the toy domain."""
    (tmp_path / "plugin").mkdir()
    install(tmp_path / "plugin", monkeypatch)
    store = open_store(str(tmp_path / "store"))
    run = RunContext(run_id="r", domain="toy", tier="gold", seed=0, store=store.url)
    collaborate(run, CONFIG)
    store.create(manifest_key("r"), seal({"status": "failed"}))
    return run


def damage(store: ObjectStore, key: str) -> None:
    """What a bad disk could do."""
    store.delete(key)
    store.create(key, b"damage")


@pytest.mark.parametrize("name", ["trajectories.jsonl", "lore.jsonl", "manifest.json"])
def test_a_resumed_run_writes_a_damaged_data_set_again(run: RunContext, name: str) -> None:
    store = open_store(run.store)
    record = read_step(store, "r", "collaborate") or {}
    dataset = record["outputs"]["dataset"]
    whole = load_trajectories(store, dataset)
    damage(store, f"{dataset}/{name}")
    forget_damaged_data(store, "r")
    assert collaborate(run, CONFIG) == dataset
    assert load_trajectories(store, dataset) == whole
    assert b"damage" in [store.get(key) for key in store.list(f"{dataset}/")]
    (kept,) = store.list("runs/r/damaged/")
    assert record["digest"].encode() in store.get(kept)


def test_a_whole_data_set_is_left_alone(run: RunContext) -> None:
    store = open_store(run.store)
    before = list(store.list(""))
    forget_damaged_data(store, "r")
    assert list(store.list("")) == before
