"""The directory back end on bad days: full, read-only, a file, killed writers."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goldsmith.errors import NotFoundError, StoreError
from goldsmith.store.directory_store import DirectoryStore
from goldsmith.store.object_store import open_store


def test_a_store_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"file is a file; give a directory"):
        open_store(str(tmp_path / "file"))


def test_a_store_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot write a .*Not a directory; the store must be"):
        open_store(str(tmp_path / "file" / "store")).create("a", b"1")


@pytest.mark.parametrize("url", ["", " ", "gs://bucket/x", "http://host/x"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="give a directory or s3://bucket/prefix"):
        open_store(url)


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix"])
def test_an_s3_url_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="has no bucket"):
        open_store(url)


def test_a_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store("~/store").url == str(tmp_path / "store")


def test_opening_and_reading_write_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    assert list(store.list("")) == [] and not store.exists("a")
    with pytest.raises(NotFoundError):
        store.get("a")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        pytest.param(errno.ENOSPC, "No space left on device; free some disk space", id="full"),
        pytest.param(errno.EDQUOT, "free some disk space", id="quota"),
        pytest.param(errno.EROFS, "Read-only file system; the store is read-only", id="read-only"),
        pytest.param(errno.EACCES, "Permission denied; the store may not be written", id="denied"),
    ],
)
@pytest.mark.parametrize("call", ["write", "link", "fsync"])
def test_a_system_that_refuses_is_one_clear_line_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, call: str
) -> None:
    store = DirectoryStore(tmp_path)
    store.create("kept", b"1")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    target = {"write": "goldsmith.store.directory_store._write", "link": "os.link"}
    monkeypatch.setattr(target.get(call, "os.fsync"), refuse)
    with pytest.raises(StoreError, match=f"cannot write a in {tmp_path}: .*{said}") as caught:
        store.create("a", b"2")
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert list(store.list("")) == ["kept"]
    assert list((tmp_path / ".tmp").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match="may not be written"):
        DirectoryStore(tmp_path).create("a", b"1")


def test_a_really_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    limited = (
        "import resource, signal, sys\n"
        "from goldsmith.store.object_store import open_store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "open_store(sys.argv[1]).create('a', bytes(5000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"cannot write a in {tmp_path}: File too large")
    assert list(open_store(str(tmp_path)).list("")) == []


def test_what_a_killed_writer_left_is_neither_listed_nor_in_the_way(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "deadbeef").write_bytes(b"half")
    store.create("a", b"whole")
    _, tag = store.get_tagged("a")
    store.replace("a", b"other", tag=tag)
    assert list(store.list("")) == ["a"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("store.create('prize', bytes(8 << 20))", id="create"),
        pytest.param("store.upload('prize', pathlib.Path(sys.argv[2]))", id="upload"),
    ],
)
def test_a_kill_in_the_middle_leaves_nothing_half_written(tmp_path: Path, body: str) -> None:
    (tmp_path / "source").write_bytes(bytes(8 << 20))
    program = (
        "import os, pathlib, signal, sys\n"
        "from goldsmith.store.object_store import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n" + body
    )
    arguments = [str(tmp_path / "store"), str(tmp_path / "source")]
    assert subprocess.run([sys.executable, "-c", program, *arguments]).returncode == -9
    store = open_store(arguments[0])
    assert list(store.list("")) == []
    store.upload("prize", tmp_path / "source")
    assert store.get("prize") == bytes(8 << 20)


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.create("a", b"1")
    program = (
        "import os, pathlib, signal, sys\n"
        "from goldsmith.store.directory_store import DirectoryStore\n"
        "store = DirectoryStore(pathlib.Path(sys.argv[1]))\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.replace('a', b'2', tag=store.get_tagged('a')[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == -9
    store.replace("a", b"3", tag=store.get_tagged("a")[1])
    assert store.get("a") == b"3"


def test_a_key_cannot_be_the_folder_of_another(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.create("a", b"1")
    with pytest.raises(StoreError, match="no key may be the folder of another"):
        store.create("a/b", b"2")


def test_uploading_a_file_that_is_not_there_blames_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        DirectoryStore(tmp_path / "store").upload("a", tmp_path / "missing")
