"""An empty store with a key of its own, and adapters to put into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from goldsmith.registry import adapters
from goldsmith.store.object_store import ObjectStore, open_store
from tests.unit.registry.artefacts import change_json, write_adapter


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A directory store that this test's key signs."""
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "key.pem"))
    monkeypatch.delenv("GOLDSMITH_TRUSTED_KEY", raising=False)
    monkeypatch.setenv("GOLDSMITH_STORE", str(tmp_path / "store"))
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def new_version(store: ObjectStore, tmp_path: Path) -> Callable[[int], str]:
    """Registers an adapter that differs by a number; its version."""

    def make(number: int) -> str:
        folder = write_adapter(tmp_path / f"adapter-{number}")
        change_json(folder, "adapter_config.json", lora_alpha=number)
        return adapters.add(store, folder, tier="gold", lineage={"number": number})

    return make
