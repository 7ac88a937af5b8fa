"""The folder that engines load adapters from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from goldsmith.errors import IntegrityError, StoreError
from goldsmith.registry import adapters
from goldsmith.serving.adapters.shelf import Shelf
from goldsmith.store.object_store import ObjectStore


@pytest.fixture(name="wanted")
def _wanted(store: ObjectStore, new_version: Callable[[int], str]) -> adapters.AdapterVersion:
    return adapters.find(store, "gold", "cook", new_version(1))


def fetch(shelf: Shelf, wanted: adapters.AdapterVersion, **changes: str) -> Path:
    asked = {"tier": wanted.tier, "version": wanted.version, "name": wanted.name}
    return shelf.fetch(**{**asked, **changes})


def test_an_adapter_is_fetched_whole_under_its_name(
    store: ObjectStore, wanted: adapters.AdapterVersion, tmp_path: Path
) -> None:
    path = fetch(Shelf(tmp_path / "shelf", store), wanted)
    assert path == tmp_path / "shelf" / wanted.name
    names = sorted(file.name for file in path.iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]


def test_a_damaged_folder_is_fetched_anew(
    store: ObjectStore, wanted: adapters.AdapterVersion, tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "shelf", store)
    weights = fetch(shelf, wanted) / "adapter_model.safetensors"
    right = weights.read_bytes()
    weights.write_bytes(right[:-1])
    fetch(shelf, wanted)
    assert weights.read_bytes() == right


def test_bytes_that_are_not_those_of_the_digest_never_get_the_name(
    store: ObjectStore, wanted: adapters.AdapterVersion, tmp_path: Path
) -> None:
    stored = tmp_path / "store/models/gold" / wanted.version / "adapter_model.safetensors"
    stored.write_bytes(stored.read_bytes()[:-1] + b"\x01")
    shelf = Shelf(tmp_path / "shelf", store)
    with pytest.raises(IntegrityError, match="damaged"):
        fetch(shelf, wanted)
    assert list((tmp_path / "shelf").iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "cook--000000000000"}, id="another digest"),
        pytest.param({"name": "../../etc"}, id="path"),
        pytest.param({"name": "cook"}, id="no digest"),
        pytest.param({"version": "../x"}, id="odd version"),
        pytest.param({"version": "v-000000000000"}, id="unknown version"),
        pytest.param({"tier": "../gold"}, id="odd tier"),
        pytest.param({"tier": "silver"}, id="another tier"),
    ],
)
def test_only_what_the_registry_has_under_the_name_is_fetched(
    store: ObjectStore,
    wanted: adapters.AdapterVersion,
    tmp_path: Path,
    changes: dict[str, str],
) -> None:
    shelf = Shelf(tmp_path / "shelf", store)
    with pytest.raises(StoreError):
        fetch(shelf, wanted, **changes)
    assert list((tmp_path / "shelf").iterdir()) == []


def test_forget_removes_adapters_only(
    store: ObjectStore, wanted: adapters.AdapterVersion, tmp_path: Path
) -> None:
    (tmp_path / "shelf" / "mine").mkdir(parents=True)
    shelf = Shelf(tmp_path / "shelf", store)
    fetch(shelf, wanted)
    assert shelf.names() == [wanted.name]
    for name in (wanted.name, "mine", "../store", "."):
        shelf.forget(name)
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["mine"]
    assert (tmp_path / "store").is_dir()


def test_what_a_killed_fetch_left_is_removed_at_the_start(
    store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "shelf" / ".fetch-1").mkdir(parents=True)
    Shelf(tmp_path / "shelf", store)
    assert list((tmp_path / "shelf").iterdir()) == []
