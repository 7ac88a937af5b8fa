"""Which processes `goldsmith serve` starts, and the configuration that they share."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from goldsmith.config.serving import load_serving
from goldsmith.errors import ConfigError, IntegrityError, NotFoundError
from goldsmith.registry.bases import ensure_bases
from goldsmith.serving.local.stack import (
    Stack,
    check_place,
    fetch_models,
    free_ports,
    live_versions,
    model_directory,
    stack,
    write_config,
)
from goldsmith.store.object_store import ObjectStore, open_store


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ObjectStore:
    store = open_store(str(tmp_path / "store"))
    ensure_bases(store)
    return store


def make(store: ObjectStore, state: Path, *flags: str, **settings: object) -> Stack:
    versions = live_versions(store, ("gold", "silver"))
    return stack(
        versions, store=store, state=state, engine="builtin", settings=settings, flags=flags
    )


def test_each_tier_has_an_engine_with_its_name_and_its_version(
    store: ObjectStore, tmp_path: Path
) -> None:
    parts = {part.name: part for part in make(store, tmp_path).parts}
    assert list(parts) == ["gold", "silver", "collector", "router", "adapters"]
    assert str(model_directory(tmp_path, "gold", "base")) in parts["gold"].command
    assert [a for a in parts["gold"].command if a in ("gold", "base")] == ["gold", "base"]


def test_the_router_starts_after_its_engines(store: ObjectStore, tmp_path: Path) -> None:
    parts = {part.name: part for part in make(store, tmp_path).parts}
    assert parts["router"].after == ("gold", "silver")


def test_a_file_goes_over_the_defaults_and_flags_over_the_file(
    store: ObjectStore, tmp_path: Path
) -> None:
    made = make(store, tmp_path, "router.port=1234", router={"port": 99, "retries": 4})
    assert (made.config.router.port, made.config.router.retries) == (1234, 4)
    assert made.url == "http://127.0.0.1:1234"


def test_a_misspelt_setting_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"router\.retrys.*did you mean router\.retries"):
        make(store, tmp_path, "router.retrys=1")


def test_others_on_the_network_need_a_credential(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0.*credentials\.keys"):
        make(store, tmp_path, "router.host=0.0.0.0")


def test_a_port_that_is_taken_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*--port"):
            check_place(make(store, tmp_path, f"router.port={port}").config, tmp_path)


def test_a_state_folder_that_cannot_be_made_is_named(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"state folder .*file"):
        check_place(make(store, tmp_path).config, tmp_path / "file")


def test_a_half_fetched_model_is_not_taken_for_a_whole_one(
    store: ObjectStore, tmp_path: Path
) -> None:
    versions = live_versions(store, ("gold",))
    fetch_models(store, versions, state=tmp_path)
    (model_directory(tmp_path, "gold", "base") / "model.safetensors").unlink()
    with pytest.raises(IntegrityError, match=r"model\.safetensors.*delete"):
        fetch_models(store, versions, state=tmp_path)


def test_the_file_that_is_written_is_the_configuration(store: ObjectStore, tmp_path: Path) -> None:
    made = make(store, tmp_path)
    file = write_config(made.config, tmp_path)
    assert load_serving(file) == made.config
    assert file.stat().st_mode & 0o077 == 0  # it may hold the hashes of keys


def test_only_a_tier_with_adapters_may_load_some(store: ObjectStore, tmp_path: Path) -> None:
    made = make(store, tmp_path, adapters={"names": {"silver": []}})
    parts = {part.name: part for part in made.parts}
    assert "--adapters-root" in parts["gold"].command
    assert "--adapters-root" not in parts["silver"].command


def test_models_are_fetched_whole_and_once(store: ObjectStore, tmp_path: Path) -> None:
    versions = live_versions(store, ("gold",))
    fetch_models(store, versions, state=tmp_path)
    file = model_directory(tmp_path, "gold", "base") / "model.safetensors"
    before = file.stat().st_mtime_ns
    fetch_models(store, versions, state=tmp_path)
    assert file.stat().st_mtime_ns == before


def test_a_store_without_models_says_what_to_run(tmp_path: Path) -> None:
    empty = open_store(str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="goldsmith run"):
        live_versions(empty)
    with pytest.raises(NotFoundError, match="tier gold"):
        live_versions(empty, ("gold",))


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5
