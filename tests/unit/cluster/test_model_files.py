"""A version's files reach an engine whole and checked, also where several pods share a volume."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldsmith.cluster.model_files import KEPT, check, main, place
from goldsmith.errors import ConfigError, IntegrityError
from goldsmith.registry import models
from goldsmith.registry.bases import SHIPPED, ensure_bases
from goldsmith.store.object_store import ObjectStore, open_store


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ObjectStore:
    store = open_store(str(tmp_path / "store"))
    ensure_bases(store)
    return store


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_version_is_put_into_a_folder_of_its_name(store: ObjectStore, folder: Path) -> None:
    target = place(store, "gold", "base", folder)
    assert target == folder / "base"
    weights = (SHIPPED / "gold" / "model.safetensors").read_bytes()
    assert (target / "model.safetensors").read_bytes() == weights
    assert [path.name for path in folder.iterdir()] == ["base"]


def test_what_is_there_already_is_checked_and_stays(store: ObjectStore, folder: Path) -> None:
    """A pod whose node was restarted runs its init containers again."""
    first = place(store, "gold", "base", folder)
    inode = first.stat().st_ino
    assert place(store, "gold", "base", folder).stat().st_ino == inode


def test_a_damaged_file_is_named_and_not_served(store: ObjectStore, folder: Path) -> None:
    target = place(store, "gold", "base", folder)
    (target / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(IntegrityError, match=r"model\.safetensors is not what gold/base has"):
        place(store, "gold", "base", folder)


def test_a_file_that_is_gone_is_named(store: ObjectStore, folder: Path) -> None:
    target = place(store, "gold", "base", folder)
    (target / "config.json").unlink()
    with pytest.raises(IntegrityError, match=r"config\.json"):
        check(store, "gold", "base", target)


def test_pods_that_fill_one_volume_at_once_find_one_version(
    store: ObjectStore, folder: Path
) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: place(store, "gold", "base", folder), range(4)))
    assert found == {folder / "base"}
    assert [path.name for path in folder.iterdir()] == ["base"]


def test_a_failed_download_leaves_nothing(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    stored = tmp_path / "store" / "models" / "gold" / "base" / "model.safetensors"
    stored.chmod(0o644)
    stored.write_bytes(b"damaged in the store")
    with pytest.raises(IntegrityError):
        place(store, "gold", "base", folder)
    assert list(folder.iterdir()) == []


def test_the_version_before_stays_and_older_ones_go(
    store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    names = []
    for number in range(KEPT + 1):
        name = f"v-{number}"
        models.add(store, SHIPPED / "gold", tier="gold", version=name, lineage={"n": number})
        place(store, "gold", name, folder)
        names.append(name)
    assert sorted(path.name for path in folder.iterdir()) == names[-KEPT:]


def test_a_pod_without_a_version_says_who_tells_it(store: ObjectStore, folder: Path) -> None:
    with pytest.raises(ConfigError, match="tier gold has no version yet: the rollout controller"):
        place(store, "gold", "", folder)


def test_the_init_container_fails_in_one_line(
    store: ObjectStore,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GOLDSMITH_STORE", store.url)
    assert main(["gold", "v-none", str(folder)]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("model_files: ")
    assert main(["gold", "base", str(folder)]) == 0
    assert main(["gold"]) == 2
