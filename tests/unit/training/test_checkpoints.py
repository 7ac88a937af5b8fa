"""The commit protocol of training checkpoints, on a directory store."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.training.checkpoints import Checkpoints


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def checkpoints(store: ObjectStore, digest: str = "a" * 64) -> Checkpoints:
    return Checkpoints(store, "run", "train_srl", spec_digest=digest)


def saved(tmp_path: Path, step: int, text: str = "weights") -> Path:
    """What transformers leaves on disk, its pickle included."""
    directory = tmp_path / f"made-{step}-{text}"
    directory.mkdir()
    (directory / "model.safetensors").write_text(f"{text} {step}")
    (directory / "training_args.bin").write_text("a pickle")
    return directory


def restored(store: ObjectStore, tmp_path: Path, digest: str = "a" * 64) -> str | None:
    found = checkpoints(store, digest).restore(tmp_path / "restored")
    return (found / "model.safetensors").read_text() if found else None


def test_nothing_committed_is_nothing_to_resume(store: ObjectStore, tmp_path: Path) -> None:
    assert restored(store, tmp_path) is None


def test_the_newest_checkpoint_is_resumed(store: ObjectStore, tmp_path: Path) -> None:
    for step in (9, 10):
        checkpoints(store).commit(step, saved(tmp_path, step))
    assert restored(store, tmp_path) == "weights 10"


def test_a_damaged_checkpoint_is_passed_over(store: ObjectStore, tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints(store).commit(step, saved(tmp_path, step))
    damaged = next(k for k in store.list("checkpoints/run/train_srl/data/000002/") if "model" in k)
    (tmp_path / "store" / damaged).write_text("weights X")
    assert restored(store, tmp_path) == "weights 1"


def test_data_without_a_manifest_is_not_a_checkpoint(store: ObjectStore, tmp_path: Path) -> None:
    checkpoints(store).commit(1, saved(tmp_path, 1))
    for key in list(store.list("checkpoints/run/train_srl/manifest/")):
        store.delete(key)
    assert restored(store, tmp_path) is None


def test_the_first_committer_of_a_step_wins(store: ObjectStore, tmp_path: Path) -> None:
    checkpoints(store).commit(1, saved(tmp_path, 1, "first"))
    checkpoints(store).commit(1, saved(tmp_path, 1, "late zombie"))
    assert restored(store, tmp_path) == "first 1"


def test_a_checkpoint_of_other_work_is_not_resumed(store: ObjectStore, tmp_path: Path) -> None:
    checkpoints(store, "a" * 64).commit(1, saved(tmp_path, 1))
    assert restored(store, tmp_path, "b" * 64) is None


def test_pickles_are_not_uploaded(store: ObjectStore, tmp_path: Path) -> None:
    checkpoints(store).commit(1, saved(tmp_path, 1))
    assert not [key for key in store.list("") if key.endswith(".bin")]


def test_the_newest_step_is_that_of_a_whole_manifest_of_this_work(
    store: ObjectStore, tmp_path: Path
) -> None:
    assert checkpoints(store).newest() == 0
    for step in (9, 10, 11):
        checkpoints(store).commit(step, saved(tmp_path, step))
    checkpoints(store, "b" * 64).commit(12, saved(tmp_path, 12))
    (damaged,) = [key for key in store.list("checkpoints/") if "/manifest/000011" in key]
    (tmp_path / "store" / damaged).write_text("{}")
    assert checkpoints(store).newest() == 10
