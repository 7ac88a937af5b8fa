"""Adapters in the registry: names, aliases of their own, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from goldsmith.errors import ArtefactError, ConfigError, ConflictError, NotFoundError, StoreError
from goldsmith.registry import adapters, models
from goldsmith.store.object_store import ObjectStore, open_store
from tests.unit.registry.artefacts import change_json, write_adapter, write_model


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def new_version(store: ObjectStore, tmp_path: Path) -> Callable[[int], str]:
    def make(number: int) -> str:
        folder = write_adapter(tmp_path / f"adapter-{number}")
        change_json(folder, "adapter_config.json", lora_alpha=number)
        return adapters.add(store, folder, tier="gold", lineage={})

    return make


def test_a_name_says_adapter_and_digest(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    found = adapters.find(store, "gold", "cook-fast", new_version(1))
    assert found.name == f"cook-fast--{found.digest[:12]}"
    assert adapters.adapter_of(found.name) == "cook-fast"
    assert adapters.find(store, "gold", "cook-fast", new_version(2)).name != found.name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("a--b", id="double dash"),
        pytest.param("../a", id="path"),
        pytest.param("Cook", id="upper case"),
        pytest.param("a" * 49, id="long"),
        pytest.param("cook/other", id="slash"),
        pytest.param("cook\n", id="newline"),
    ],
)
def test_an_odd_adapter_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is refused"):
        adapters.check_name(name)
    assert adapters.adapter_of(f"{name}--0123456789ab") == ""


@pytest.mark.parametrize("name", ["gold", "cook--0123", "cook--0123456789AB", "cook-0123456789ab"])
def test_other_models_are_no_adapters_of_ours(name: str) -> None:
    assert adapters.adapter_of(name) == ""


def test_every_adapter_has_an_alias_of_its_own(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    one, two = new_version(1), new_version(2)
    adapters.promote(store, "gold", "cook", one, cause="test")
    adapters.promote(store, "gold", "bake", two, cause="test")
    assert adapters.names(store, "gold") == ["bake", "cook"]
    assert adapters.read_alias(store, "gold", "cook")[0].live == one
    assert list(store.list("aliases/")) == ["aliases/gold/bake.json", "aliases/gold/cook.json"]


def test_promote_and_rollback_move_the_epoch_forward(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    one, two = new_version(1), new_version(2)
    adapters.promote(store, "gold", "cook", one, cause="first")
    assert adapters.promote(store, "gold", "cook", two, cause="second").epoch == 2
    assert adapters.promote(store, "gold", "cook", two, cause="again").epoch == 2
    back = adapters.rollback(store, "gold", "cook", cause="worse")
    assert (back.live, back.epoch, back.previous) == (one, 3, ())
    with pytest.raises(StoreError, match="has no version before"):
        adapters.rollback(store, "gold", "cook", cause="again")


def test_the_loser_of_a_race_is_told_who_was_first(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    one, two, three = (new_version(number) for number in (1, 2, 3))
    adapters.promote(store, "gold", "cook", one, cause="first")
    adapters.promote(store, "gold", "cook", two, cause="ann", judged_against=one)
    with pytest.raises(ConflictError, match="ann made"):
        adapters.promote(store, "gold", "cook", three, cause="bob", judged_against=one)
    with pytest.raises(ConflictError, match="was not rolled back"):
        adapters.rollback(store, "gold", "cook", cause="bob", expected=one)


def test_an_adapter_does_not_become_what_its_tier_serves(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    with pytest.raises(ArtefactError, match="adapter, not a whole model"):
        models.promote(store, "gold", new_version(1), cause="a slip")
    assert list(store.list("aliases/")) == []


def test_a_whole_model_is_no_adapter(store: ObjectStore, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    with pytest.raises(ArtefactError, match="whole model"):
        adapters.add(store, folder, tier="gold", lineage={})
    version = models.add(store, folder, tier="gold", lineage={})
    with pytest.raises(ArtefactError, match="is no adapter"):
        adapters.promote(store, "gold", "cook", version, cause="test")


def test_an_adapter_without_a_version_says_how_to_get_one(store: ObjectStore) -> None:
    with pytest.raises(NotFoundError, match="goldsmith adapters swap gold/cook"):
        adapters.read_alias(store, "gold", "cook")
