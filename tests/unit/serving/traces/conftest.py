"""A store in a directory, and segments to seal."""

import time

import orjson
import pytest

from goldsmith.serving.traces.journal import Journal
from goldsmith.store.directory_store import DirectoryStore


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def segment(tmp_path):
    """Makes a closed segment that holds these records."""

    def make(*records):
        journal = Journal(tmp_path / "log", max_disk_bytes=1 << 30, seal_s=1.0)
        before = set(journal.closed())
        journal.append([orjson.dumps(record) for record in records])
        journal.rotate(now=time.time(), force=True)
        (path,) = set(journal.closed()) - before
        journal.close()
        return path

    return make


@pytest.fixture
def trace():
    """Makes a record."""

    def make(name, tenant="acme", **fields):
        record = {"request_id": name, "at": time.time() - 1, "tenant": tenant, "tier": "gold"}
        return {**record, "answer": f"answer of {name}", **fields}

    return make
