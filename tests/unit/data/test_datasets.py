"""Data sets for training: verified, in order, and clear when they are not there."""

import pytest

from goldsmith.data.datasets import load_trajectories
from goldsmith.errors import DataError
from goldsmith.store.directories import commit_directory
from goldsmith.store.object_store import open_store
from tests.fixtures.data.clean import dump, records, trajectories, write_dataset
from tests.fixtures.data.plugin import install

REF = "datasets/toy/1"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with the toy data set."""
    (tmp_path / "plugin").mkdir()
    install(tmp_path / "plugin", monkeypatch)
    folder = write_dataset(tmp_path / "set", dump(records()), accepted=12)
    (folder / "manifest.json").unlink()
    store = open_store(str(tmp_path / "store"))
    commit_directory(store, REF, folder, kind="dataset", meta={})
    return store


def test_what_was_written_is_read(store):
    assert load_trajectories(store, REF) == trajectories()


def test_a_missing_data_set_says_what_to_do(store):
    with pytest.raises(
        DataError, match=r"datasets/toy/2 is missing.*a resumed run writes it again"
    ):
        load_trajectories(store, "datasets/toy/2")


def test_a_corrupt_data_set_names_the_file(store, tmp_path):
    path = tmp_path / "store" / REF / "trajectories.jsonl"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"trajectories\.jsonl is corrupt"):
        load_trajectories(store, REF)


def test_a_record_that_is_none_is_named_by_its_line(store, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "trajectories.jsonl").write_bytes(dump(records()[:1]) + b"{}\n")
    commit_directory(store, "datasets/toy/3", tmp_path / "bad", kind="dataset", meta={})
    with pytest.raises(DataError, match=r"trajectories.jsonl:2 is no trajectory: KeyError"):
        load_trajectories(store, "datasets/toy/3")
