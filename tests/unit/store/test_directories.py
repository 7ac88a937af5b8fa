"""What may not be committed as a directory."""

from pathlib import Path

import pytest

from goldsmith.errors import StoreError
from goldsmith.store.directories import commit_directory, digest_directory
from goldsmith.store.object_store import open_store


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="link is refused"):
        _commit(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", ".hidden", "a\nb"])
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text("x")
    with pytest.raises(StoreError, match="refused"):
        _commit(tmp_path)


def test_meta_cannot_pose_as_the_hashes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(StoreError, match=r"meta may not hold \['files'\]"):
        commit_directory(
            open_store(str(tmp_path / "s")), "d", tmp_path / "in", kind="x", meta={"files": {}}
        )


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="in is not a directory"):
        _commit(tmp_path)


def test_the_digest_is_known_before_the_commit(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    digest = digest_directory(tmp_path / "in")
    assert digest == _commit(tmp_path)["digest"]
    (tmp_path / "in" / "manifest.json").write_text("of an exported copy")
    assert digest_directory(tmp_path / "in") == digest


def _commit(tmp_path: Path) -> dict[str, object]:
    store = open_store(str(tmp_path / "s"))
    return commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
