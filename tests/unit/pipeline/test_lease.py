"""One worker a run."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from goldsmith.errors import RunError, StoreError
from goldsmith.pipeline import lease
from goldsmith.pipeline.lease import EXPIRES_S, Lease, lease_key, read_holder
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


def rewrite(store: ObjectStore, **fields: Any) -> None:
    """Change the lease as another machine would."""
    data, tag = store.get_tagged(lease_key("r"))
    holder = {**unseal(data, key="lease"), **fields}
    holder.pop("sha256", None)
    store.replace(lease_key("r"), seal(holder), tag=tag)


def fail(folder: Path) -> None:
    """From now on nothing can be written to the store in this folder."""
    shutil.rmtree(folder / ".tmp")
    (folder / ".tmp").touch()


def test_a_second_worker_is_told_who_is_at_it(store: ObjectStore) -> None:
    with Lease(store, "r"), pytest.raises(RunError, match="run r is running: process"):
        Lease(store, "r").__enter__()


def test_a_store_that_fails_meanwhile_does_not_hide_how_the_work_ended(
    store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="the cause"), Lease(store, "r"):
        fail(tmp_path)
        raise RunError("the cause")


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second later, and every second has its heartbeat."""
    seconds = itertools.count(1_800_000_000)
    monkeypatch.setattr(time, "time", lambda: next(seconds))
    monkeypatch.setattr(lease, "BEAT_S", 0.0)


@pytest.mark.usefixtures("fast_clock")
def test_a_lease_is_kept_beat_by_beat_and_given_back(store: ObjectStore) -> None:
    with Lease(store, "r") as mine:
        beats = []
        for _ in range(3):
            mine.beat()
            beats.append(json.loads(store.get(lease_key("r")))["beat"])
    assert len(set(beats)) == 3
    assert "pid" not in json.loads(store.get(lease_key("r")))


@pytest.mark.usefixtures("fast_clock")
def test_a_failing_store_ends_the_work_only_when_the_lease_expires(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lease(store, "r") as mine:
        fail(tmp_path)
        mine.beat()
        mine.beat()
        monkeypatch.setattr(lease, "EXPIRES_S", 0.0)
        with pytest.raises(StoreError, match=r"cannot write runs/r/lease\.json"):
            mine.beat()


def test_a_lease_that_was_given_back_is_free(store: ObjectStore) -> None:
    with Lease(store, "r"):
        assert read_holder(store, "r")
    assert read_holder(store, "r") is None
    with Lease(store, "r"):
        pass


def test_a_killed_holder_on_this_machine_is_taken_over_at_once(store: ObjectStore) -> None:
    code = (
        "import os, sys; from goldsmith.pipeline.lease import Lease;"
        "from goldsmith.store.object_store import open_store;"
        "Lease(open_store(sys.argv[1]), 'r').__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, store.url])
    assert json.loads(store.get(lease_key("r")))["pid"]
    with Lease(store, "r"):
        pass


def test_a_reused_process_id_is_not_the_holder(store: ObjectStore) -> None:
    Lease(store, "r").__enter__()
    rewrite(store, started=1)
    with Lease(store, "r"):
        pass


@pytest.mark.parametrize(
    ("age", "held"),
    [
        pytest.param(1, True, id="beats"),
        pytest.param(EXPIRES_S + 1, False, id="silent for too long"),
    ],
)
def test_a_holder_on_another_machine_lives_by_its_heartbeat(
    store: ObjectStore, age: float, held: bool
) -> None:
    Lease(store, "r").__enter__()
    rewrite(store, machine="elsewhere", beat=time.time() - age)
    assert bool(read_holder(store, "r")) is held


def test_a_holder_that_lost_its_lease_stops(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.0)
    mine = Lease(store, "r").__enter__()
    rewrite(store, machine="elsewhere")
    with pytest.raises(RunError, match="taken over"):
        mine.beat()


def test_giving_back_leaves_another_holders_lease_alone(store: ObjectStore) -> None:
    with Lease(store, "r"):
        rewrite(store, machine="elsewhere", beat=time.time())
    assert read_holder(store, "r")
