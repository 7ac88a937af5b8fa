"""One suite for both back ends of the store: what `ObjectStore` promises."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldsmith.errors import (
    ConflictError,
    GoldsmithError,
    IntegrityError,
    NotFoundError,
    StoreError,
)
from goldsmith.store.directories import commit_directory, fetch_directory, fetch_file, read_manifest
from goldsmith.store.object_store import ObjectStore, open_store


def test_what_is_created_is_read_back(store: ObjectStore) -> None:
    store.create("a/b", b"one")
    assert store.get("a/b") == b"one"
    assert store.exists("a/b")


def test_creating_the_same_bytes_twice_is_a_success(store: ObjectStore) -> None:
    store.create("a", b"one")
    store.create("a", b"one")


def test_creating_over_other_bytes_is_a_conflict_and_changes_nothing(store: ObjectStore) -> None:
    store.create("a", b"one")
    with pytest.raises(ConflictError, match=r"/a exists with other content"):
        store.create("a", b"two")
    assert store.get("a") == b"one"


def test_a_missing_key_is_not_found_by_name(store: ObjectStore) -> None:
    with pytest.raises(NotFoundError, match="no nothing/here in "):
        store.get("nothing/here")
    assert not store.exists("nothing/here")


def test_replace_swaps_what_was_read(store: ObjectStore) -> None:
    store.create("a", b"one")
    _, tag = store.get_tagged("a")
    store.replace("a", b"two", tag=tag)
    assert store.get("a") == b"two"


def test_replace_with_an_old_tag_is_a_conflict(store: ObjectStore) -> None:
    store.create("a", b"one")
    _, tag = store.get_tagged("a")
    store.replace("a", b"two", tag=tag)
    with pytest.raises(ConflictError, match="was changed meanwhile"):
        store.replace("a", b"three", tag=tag)
    assert store.get("a") == b"two"


def test_replace_after_a_lost_reply_knows_its_own_bytes(store: ObjectStore) -> None:
    store.create("a", b"one")
    _, tag = store.get_tagged("a")
    store.replace("a", b"two", tag=tag)
    store.replace("a", b"two", tag=tag)


def test_replacing_a_deleted_object_is_a_conflict(store: ObjectStore) -> None:
    store.create("a", b"one")
    _, tag = store.get_tagged("a")
    store.delete("a")
    with pytest.raises(ConflictError, match="was deleted meanwhile"):
        store.replace("a", b"two", tag=tag)
    assert not store.exists("a")


def test_deleting_what_is_not_there_is_no_error(store: ObjectStore) -> None:
    store.delete("never/there")


def test_list_is_sorted_and_takes_a_prefix_of_characters(store: ObjectStore) -> None:
    for key in ("b", "a/x/1", "a/2", "a-1", "a/10"):
        store.create(key, b"")
    assert list(store.list("a/")) == ["a/10", "a/2", "a/x/1"]
    assert list(store.list("a")) == ["a-1", "a/10", "a/2", "a/x/1"]
    assert list(store.list("")) == ["a-1", "a/10", "a/2", "a/x/1", "b"]
    assert list(store.list("none/")) == []


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("../secret", id="parent"),
        pytest.param("a/../../b", id="parent inside"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("a//b", id="empty part"),
        pytest.param("a/", id="empty end"),
        pytest.param("", id="empty"),
        pytest.param(".tmp/x", id="hidden"),
        pytest.param("a/.locks", id="hidden inside"),
        pytest.param("a\nb", id="newline"),
        pytest.param("a\n", id="newline at the end"),
        pytest.param("a\x00b", id="nul"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("a\u202eb", id="right to left"),
        pytest.param("a/" * 500 + "b", id="too long"),
    ],
)
def test_a_key_that_is_not_plain_is_refused(store: ObjectStore, key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for attempt in (
        lambda: store.get(key),
        lambda: store.create(key, b"x"),
        lambda: store.replace(key, b"x", tag="t"),
        lambda: store.delete(key),
        lambda: store.exists(key),
        lambda: store.upload(key, tmp_path / "file"),
        lambda: store.download(key, tmp_path / "out"),
    ):
        with pytest.raises(StoreError, match="is refused"):
            attempt()


def test_a_prefix_that_climbs_out_is_refused(store: ObjectStore) -> None:
    with pytest.raises(StoreError, match="is refused"):
        list(store.list("../"))


def test_upload_and_download_keep_the_bytes(store: ObjectStore, tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "in").write_bytes(data)
    store.upload("big", tmp_path / "in")
    store.download("big", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["in", "out"]


def test_upload_is_a_conditional_create(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"2")
    store.upload("a", tmp_path / "one")
    store.upload("a", tmp_path / "one")
    with pytest.raises(ConflictError):
        store.upload("a", tmp_path / "two")
    assert store.get("a") == b"1"


def test_downloading_nothing_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        store.download("nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_of_many_creators_exactly_one_wins(store: ObjectStore) -> None:
    def attempt(number: int) -> bool:
        try:
            store.create("prize", str(number).encode())
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(24)))
    assert sum(won) == 1
    assert store.get("prize") == str(won.index(True)).encode()


def test_no_change_is_lost_between_racing_processes(store: ObjectStore, store_url: str) -> None:
    store.create("diary", b"")
    program = (
        "import sys\n"
        "from goldsmith.errors import ConflictError\n"
        "from goldsmith.store.object_store import open_store\n"
        "store, written = open_store(sys.argv[1]), 0\n"
        "while written < 10:\n"
        "    data, tag = store.get_tagged('diary')\n"
        "    try:\n"
        "        store.replace('diary', data + f'{sys.argv[2]}-{written}\\n'.encode(), tag=tag)\n"
        "        written += 1\n"
        "    except ConflictError: pass\n"
    )
    command = [sys.executable, "-c", program, store_url]
    workers = [subprocess.Popen([*command, name]) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    lines = store.get("diary").decode().split()
    assert sorted(lines) == sorted(f"{name}-{number}" for name in "abc" for number in range(10))


def test_a_directory_is_fetched_as_it_was_committed(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.json").write_text("{}")
    (tmp_path / "in" / "deep" / "b.txt").write_text("b")
    made = commit_directory(
        store, "d/1", tmp_path / "in", kind="dataset", meta={"counts": {"n": 2}}
    )
    assert fetch_directory(store, "d/1", tmp_path / "out") == made
    assert (tmp_path / "out" / "deep" / "b.txt").read_text() == "b"
    assert made["files"]["a.json"] == {"sha256": hashlib.sha256(b"{}").hexdigest(), "size": 2}


def test_committing_the_same_directory_twice_is_one_commit(
    store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    first = commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
    assert commit_directory(store, "d", tmp_path / "in", kind="x", meta={}) == first
    (tmp_path / "in" / "a").write_text("b")
    with pytest.raises(ConflictError):
        commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
    assert fetch_file(store, "d", "a") == b"a"


def test_a_changed_file_is_named_and_not_left_behind(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "weights").write_text("good")
    commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
    _overwrite(store, "d/weights", b"evil")
    with pytest.raises(IntegrityError, match="d/weights is damaged"):
        fetch_directory(store, "d", tmp_path / "out")
    assert not (tmp_path / "out" / "weights").exists()
    with pytest.raises(IntegrityError, match="d/weights is damaged"):
        fetch_file(store, "d", "weights")


def test_a_changed_manifest_is_named(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    commit_directory(store, "d", tmp_path / "in", kind="model", meta={})
    _overwrite(store, "d/manifest.json", store.get("d/manifest.json").replace(b"model", b"zodel"))
    with pytest.raises(IntegrityError, match=r"d/manifest\.json is damaged"):
        read_manifest(store, "d")


def test_a_dead_writers_leftover_neither_blocks_nor_enters_a_commit(
    store: ObjectStore, tmp_path: Path
) -> None:
    store.create("d/a", b"half of an older attempt")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("ours")
    commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
    fetch_directory(store, "d", tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "ours"
    assert store.get("d/a") == b"half of an older attempt"


@pytest.mark.parametrize("damaged", ["d/a", "d/manifest.json"])
def test_the_same_commit_again_mends_a_damaged_one_and_loses_nothing(
    store: ObjectStore, tmp_path: Path, damaged: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
    _overwrite(store, damaged, b"damage")
    commit_directory(store, "d", tmp_path / "in", kind="x", meta={})
    assert fetch_file(store, "d", "a") == b"a"
    assert b"damage" in [store.get(key) for key in store.list("d/")]


def test_a_late_writer_cannot_spoil_a_commit(store: ObjectStore, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    commit_directory(store, "d", tmp_path / "ours", kind="x", meta={})
    with pytest.raises(ConflictError):
        commit_directory(store, "d", tmp_path / "theirs", kind="x", meta={})
    assert fetch_file(store, "d", "a") == b"ours"


def test_a_store_that_was_never_written_lists_nothing(store_url: str) -> None:
    store = open_store(store_url)
    assert list(store.list("")) == []
    with pytest.raises(GoldsmithError):
        read_manifest(store, "models/gold/base")


def _overwrite(store: ObjectStore, key: str, data: bytes) -> None:
    """What somebody with write access could do."""
    store.delete(key)
    store.create(key, data)
