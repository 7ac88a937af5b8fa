"""The registry on both back ends: versions, signatures, aliases, races."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from goldsmith.errors import (
    ArtefactError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    StoreError,
)
from goldsmith.registry import models
from goldsmith.registry.aliases import read_alias
from goldsmith.registry.bases import ensure_bases
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import ObjectStore
from tests.unit.registry.artefacts import write_adapter, write_model


def test_a_version_is_named_after_its_content_and_fetched_as_added(
    store: ObjectStore, tmp_path: Path
) -> None:
    version = _add(store, tmp_path, seed=1)
    assert version.startswith("v-") and len(version) == 14
    models.fetch(store, models.prefix("gold", version), tmp_path / "out")
    for path in (tmp_path / "1").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert models.versions(store, "gold") == [version]


def test_the_same_files_again_are_the_same_version(store: ObjectStore, tmp_path: Path) -> None:
    version = _add(store, tmp_path, seed=1)
    again = models.add(store, tmp_path / "1", tier="gold", lineage={"run_id": "another"})
    assert again == version
    assert models.show(store, "gold", version)["lineage"] == {"run_id": "r"}


def test_a_named_version_never_changes(store: ObjectStore, tmp_path: Path) -> None:
    write_model(tmp_path / "1", seed=1)
    write_model(tmp_path / "2", seed=2)
    models.add(store, tmp_path / "1", tier="gold", version="base", lineage={})
    with pytest.raises(StoreError, match="models/gold/base exists with other files"):
        models.add(store, tmp_path / "2", tier="gold", version="base", lineage={})


def test_an_adapter_is_a_version_too(store: ObjectStore, tmp_path: Path) -> None:
    version = models.add(store, write_adapter(tmp_path / "a"), tier="gold", lineage={})
    assert models.verify(store, "gold", version)["artefact"]["form"] == "adapter"


def test_a_hostile_model_never_reaches_the_store(store: ObjectStore, tmp_path: Path) -> None:
    (write_model(tmp_path / "m") / "modeling.py").write_text("import os")
    with pytest.raises(ArtefactError, match=r"modeling\.py is refused"):
        models.add(store, tmp_path / "m", tier="gold", lineage={})
    assert list(store.list("models/")) == []


def test_changed_weights_are_named_and_not_loaded(store: ObjectStore, tmp_path: Path) -> None:
    version = _add(store, tmp_path, seed=1)
    key = f"models/gold/{version}/model.safetensors"
    _overwrite(store, key, store.get(key)[:-1] + b"\x01")
    with pytest.raises(IntegrityError, match=r"model\.safetensors is damaged"):
        models.verify(store, "gold", version)
    with pytest.raises(IntegrityError):
        models.fetch(store, f"models/gold/{version}", tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_a_manifest_that_was_written_anew_is_not_trusted(
    store: ObjectStore, tmp_path: Path
) -> None:
    version = _add(store, tmp_path, seed=1)
    key = f"models/gold/{version}/manifest.json"
    forged = {**json.loads(store.get(key)), "lineage": {"run_id": "forged"}}
    _overwrite(store, key, seal(forged))
    with pytest.raises(IntegrityError, match="cannot be trusted"):
        models.show(store, "gold", version)
    with pytest.raises(IntegrityError, match="cannot be trusted"):
        models.promote(store, "gold", version, cause="p1")


def test_a_forgers_own_key_in_the_store_is_not_trusted(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "forger.pem"))
    version = _add(store, tmp_path, seed=1)
    models.show(store, "gold", version)
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "ours.pem"))
    _add(store, tmp_path, seed=2)
    with pytest.raises(IntegrityError, match="is not signed by a trusted key"):
        models.fetch(store, f"models/gold/{version}", tmp_path / "out")


def test_a_signed_version_cannot_pass_for_another(store: ObjectStore, tmp_path: Path) -> None:
    version = _add(store, tmp_path, seed=1)
    for key in list(store.list(f"models/gold/{version}/")):
        store.create(key.replace("/gold/", "/bronze/"), store.get(key))
    with pytest.raises(IntegrityError, match="it belongs to another version"):
        models.show(store, "bronze", version)


def test_an_unsigned_version_of_somebody_else_is_not_signed_by_us(
    store: ObjectStore, tmp_path: Path
) -> None:
    version = _add(store, tmp_path, seed=1)
    for key in list(store.list(f"models/gold/{version}/signatures/")):
        store.delete(key)
    with pytest.raises(IntegrityError, match="not signed by a trusted key"):
        models.add(store, tmp_path / "1", tier="gold", lineage={"run_id": "another"})
    models.add(store, tmp_path / "1", tier="gold", lineage={"run_id": "r"})  # its own, resumed
    models.verify(store, "gold", version)


def test_an_export_is_verified_and_complete(store: ObjectStore, tmp_path: Path) -> None:
    version = _add(store, tmp_path, seed=1)
    models.export(store, "gold", version, tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").is_file()
    with pytest.raises(StoreError, match="is not empty"):
        models.export(store, "gold", version, tmp_path / "out")


def test_promote_then_rollback_then_promote(store: ObjectStore, tmp_path: Path) -> None:
    first, second = _add(store, tmp_path, seed=1), _add(store, tmp_path, seed=2)
    models.promote(store, "gold", first, cause="p1")
    models.promote(store, "gold", second, cause="p2", judged_against=first)
    assert models.live(store, "gold") == second
    back = models.rollback(store, "gold", cause="a person")
    assert (back.live, back.previous, back.epoch, back.cause) == (first, (), 3, "a person")
    with pytest.raises(StoreError, match="no version before"):
        models.rollback(store, "gold", cause="a person")


def test_promoting_what_is_live_changes_nothing(store: ObjectStore, tmp_path: Path) -> None:
    version = _add(store, tmp_path, seed=1)
    models.promote(store, "gold", version, cause="p1")
    assert models.promote(store, "gold", version, cause="p2").cause == "p1"


def test_only_what_is_registered_can_go_live(store: ObjectStore) -> None:
    with pytest.raises(NotFoundError):
        models.promote(store, "gold", "v-000000000000", cause="p1")
    with pytest.raises(NotFoundError, match="tier gold has no live version"):
        models.live(store, "gold")


def test_a_version_that_beat_a_former_live_one_is_told_who_was_first(
    store: ObjectStore, tmp_path: Path
) -> None:
    base, second, third = (_add(store, tmp_path, seed=seed) for seed in (1, 2, 3))
    models.promote(store, "gold", base, cause="bases")
    models.promote(store, "gold", second, cause="run-2", judged_against=base)
    with pytest.raises(ConflictError, match=f"run-2 made {second} live first"):
        models.promote(store, "gold", third, cause="run-3", judged_against=base)
    assert models.live(store, "gold") == second


@pytest.mark.parametrize("first", [True, False], ids=["first version", "later version"])
def test_of_racing_promotions_one_wins_and_the_others_are_told(
    store: ObjectStore, tmp_path: Path, first: bool
) -> None:
    base, *rivals = (_add(store, tmp_path, seed=seed) for seed in range(5))
    if not first:
        models.promote(store, "gold", base, cause="bases")

    def attempt(version: str) -> str:
        try:
            against = "" if first else base
            models.promote(store, "gold", version, cause=f"run-{version}", judged_against=against)
        except ConflictError as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(attempt, rivals))
    winner = models.live(store, "gold")
    if not first:  # a first version can be followed at once, since nothing was judged
        assert told.count("won") == 1 and told[rivals.index(winner)] == "won"
        assert all(f"run-{winner} made {winner} live" in text for text in told if text != "won")
    assert read_alias(store, "gold")[0].epoch == told.count("won") + (not first)


def test_a_promoter_that_was_overtaken_after_it_looked_is_told(
    store: ObjectStore, tmp_path: Path
) -> None:
    base, fast, slow = (_add(store, tmp_path, seed=seed) for seed in range(3))
    models.promote(store, "gold", base, cause="bases")
    overtaken = Overtaken(store, lambda: models.promote(store, "gold", fast, cause="run-fast"))
    with pytest.raises(ConflictError, match=f"run-fast made {fast} live first"):
        models.promote(overtaken, "gold", slow, cause="run-slow", judged_against=base)
    assert models.live(store, "gold") == fast


def test_a_rollback_that_was_overtaken_is_told(store: ObjectStore, tmp_path: Path) -> None:
    base, fast, bad = (_add(store, tmp_path, seed=seed) for seed in range(3))
    models.promote(store, "gold", base, cause="bases")
    models.promote(store, "gold", bad, cause="run-bad")
    overtaken = Overtaken(store, lambda: models.promote(store, "gold", fast, cause="run-fast"))
    with pytest.raises(ConflictError, match=f"run-fast made {fast} live first"):
        models.rollback(overtaken, "gold", cause="a person")
    assert models.live(store, "gold") == fast


def test_two_processes_that_promote_at_once_cannot_both_win(
    store: ObjectStore, store_url: str, tmp_path: Path
) -> None:
    base, *rivals = (_add(store, tmp_path, seed=seed) for seed in range(3))
    models.promote(store, "gold", base, cause="bases")
    program = (
        "import sys\n"
        "from goldsmith.errors import ConflictError\n"
        "from goldsmith.registry import models, signing\n"
        "from goldsmith.store.object_store import open_store\n"
        "url, version, base = sys.argv[1:]\n"
        "store = open_store(url)\n"
        "models.show(store, 'gold', version)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try:\n"
        "    models.promote(store, 'gold', version, cause='run-' + version, judged_against=base)\n"
        "    print('won')\n"
        "except ConflictError as error: print(error)\n"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, store_url, version, base],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in rivals
    ]
    assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * 2
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = sorted((worker.communicate()[0].strip() for worker in workers), key=len)
    winner = models.live(store, "gold")
    assert told[0] == "won"
    assert f"run-{winner} made {winner} live first" in told[1]


def test_a_damaged_alias_is_named(store: ObjectStore, tmp_path: Path) -> None:
    version = _add(store, tmp_path, seed=1)
    models.promote(store, "gold", version, cause="p1")
    damaged = store.get("aliases/gold.json").replace(version.encode(), b"v-evil")
    _overwrite(store, "aliases/gold.json", damaged)
    with pytest.raises(IntegrityError, match=r"aliases/gold\.json is damaged"):
        models.live(store, "gold")


def test_bases_are_registered_once_and_live(store: ObjectStore, tmp_path: Path) -> None:
    for number, tier in enumerate(("bronze", "silver", "gold")):
        write_model(tmp_path / "bases" / tier, seed=number)
    assert ensure_bases(store, tmp_path / "bases") == ["bronze", "silver", "gold"]
    keys = list(store.list(""))
    assert ensure_bases(store, tmp_path / "bases") == []
    assert list(store.list("")) == keys
    assert {models.live(store, tier) for tier in ("bronze", "silver", "gold")} == {"base"}


def test_bases_registered_by_many_at_once_are_whole(store: ObjectStore, tmp_path: Path) -> None:
    for number, tier in enumerate(("bronze", "silver", "gold")):
        write_model(tmp_path / "bases" / tier, seed=number)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: ensure_bases(store, tmp_path / "bases"), range(3)))
    for tier in ("bronze", "silver", "gold"):
        models.verify(store, tier, models.live(store, tier))
        assert read_alias(store, tier)[0].epoch == 1


def test_a_base_never_takes_the_place_of_a_promoted_version(
    store: ObjectStore, tmp_path: Path
) -> None:
    for number, tier in enumerate(("bronze", "silver", "gold")):
        write_model(tmp_path / "bases" / tier, seed=number)
    version = _add(store, tmp_path, seed=9)
    models.promote(store, "gold", version, cause="p1")
    assert ensure_bases(store, tmp_path / "bases") == ["bronze", "silver"]
    assert models.live(store, "gold") == version


class Overtaken:
    """A store whose user is overtaken by a rival right after looking at the alias."""

    def __init__(self, store: ObjectStore, rival: Callable[[], object]) -> None:
        self._store, self._rivals = store, [rival]

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        seen = self._store.get_tagged(key)
        if self._rivals:
            self._rivals.pop()()
        return seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _add(store: ObjectStore, tmp_path: Path, *, seed: int) -> str:
    directory = write_model(tmp_path / str(seed), seed=seed)
    return models.add(store, directory, tier="gold", lineage={"run_id": "r"})


def _overwrite(store: ObjectStore, key: str, data: bytes) -> None:
    """What somebody with write access could do."""
    store.delete(key)
    store.create(key, data)
