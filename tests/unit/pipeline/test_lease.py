"""One worker a run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from goldsmith.errors import RunError
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


def test_a_second_worker_is_told_who_is_at_it(store: ObjectStore) -> None:
    with Lease(store, "r"), pytest.raises(RunError, match="run r is running: process"):
        Lease(store, "r").__enter__()


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
