"""What `append` returned for is synced; what failed left nothing; restarts lose nothing."""

import errno
import os
import time
from pathlib import Path

import pytest

from goldsmith.errors import ConflictError, StoreError
from goldsmith.serving.traces.journal import Journal, opened_at, read_segment


@pytest.fixture
def journal(tmp_path):
    journal = new(tmp_path)
    yield journal
    journal.close()


def new(directory, **settings):
    return Journal(directory, **{"max_disk_bytes": 1 << 20, "seal_s": 30.0, **settings})


def kept(directory):
    """Every whole record on the disk."""
    return [record for path in sorted(directory.glob("*.log")) for record in read_segment(path)]


def test_an_acknowledged_record_is_within_what_was_synced(tmp_path, monkeypatch):
    synced = {}
    real = os.fsync

    def fsync(descriptor):
        real(descriptor)
        synced[os.readlink(f"/proc/self/fd/{descriptor}")] = os.fstat(descriptor).st_size

    monkeypatch.setattr(os, "fsync", fsync)
    journal = new(tmp_path)
    for number in range(5):
        journal.append([b"record %d" % number])
        (path,) = tmp_path.glob("*.log")
        assert synced[str(path)] == path.stat().st_size
    assert str(tmp_path) in synced, "the name of a new segment is synced, too"
    journal.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_sync_acknowledges_nothing_and_leaves_nothing(tmp_path, monkeypatch, code):
    journal = new(tmp_path)
    journal.append([b"before"])
    real, failing = os.fsync, [True]

    def fsync(descriptor):
        if failing.pop() if failing else False:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match="cannot be written"):
        journal.append([b"lost"])
    assert kept(tmp_path) == [b"before"]
    journal.append([b"after"])
    assert kept(tmp_path) == [b"before", b"after"]
    journal.close()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError("no room")]
)
def test_a_write_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch, error):
    journal = new(tmp_path)
    journal.append([b"before"])
    real = os.write

    def write(descriptor, data):
        if len(data) < 20:
            raise error
        return real(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises((StoreError, MemoryError)):
            journal.append([b"x" * 500])
    journal.append([b"after"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            journal.append([b"lost"])
    assert kept(tmp_path) == [b"before", b"after"]
    journal.close()


def test_a_log_at_its_bound_refuses_until_segments_go(journal, tmp_path):
    journal.append([b"x" * (1 << 19)])
    with pytest.raises(StoreError, match="is full"):
        journal.append([b"x" * (1 << 19)])
    journal.rotate(now=time.time(), force=True)
    (path,) = journal.closed()
    journal.remove(path)
    journal.append([b"x" * (1 << 19)])


def test_a_segment_closes_when_it_is_old_enough(journal):
    journal.append([b"a"])
    journal.rotate(now=time.time())
    assert not journal.closed()
    journal.rotate(now=time.time() + 31)
    (path,) = journal.closed()
    assert read_segment(path) == (b"a",) and journal.unsealed == 1
    journal.append([b"b"])
    assert read_segment(path) == (b"a",), "a closed segment never changes"


def test_a_restart_keeps_whole_records_and_cuts_the_torn_tail(tmp_path):
    first = new(tmp_path)
    first.append([b"a", b"b"])
    first.close()
    (path,) = tmp_path.glob("*.log")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-1])  # a third and half a fourth record
    again = new(tmp_path)
    (closed,) = again.closed()
    assert read_segment(closed) == (b"a", b"b", b"a") and not read_tail(closed)
    again.close()


def read_tail(path: Path):
    """Bytes after the last whole record."""
    from goldsmith.serving.traces.frames import parse

    return path.read_bytes()[parse(path.read_bytes()).end :]


def test_an_empty_segment_is_cleared_away(tmp_path):
    (tmp_path / "20261126T024000-0a0b0c0d.log").write_bytes(b"\xf5GT1torn")
    journal = new(tmp_path)
    assert not journal.closed() and not list(tmp_path.glob("*.log"))
    journal.close()


def test_one_directory_has_one_writer(journal, tmp_path):
    with pytest.raises(ConflictError, match="in use"):
        new(tmp_path)


def test_a_segments_name_says_when_it_was_begun(journal, tmp_path):
    journal.append([b"a"])
    (path,) = tmp_path.glob("*.log")
    assert abs(opened_at(path.stem).timestamp() - time.time()) < 5
