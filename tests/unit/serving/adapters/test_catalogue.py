"""What the controller knows of the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from goldsmith.registry import adapters
from goldsmith.serving.adapters.catalogue import FRESH_S, Catalogue
from goldsmith.store.object_store import ObjectStore


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="catalogue")
def _catalogue(store: ObjectStore, clock: Clock) -> Catalogue:
    return Catalogue(store, "gold", ["cook"], clock=clock)


def test_an_adapter_that_nobody_registered_is_not_wanted(catalogue: Catalogue) -> None:
    assert catalogue.wanted() == ()


def test_a_moved_alias_is_seen_a_moment_later(
    catalogue: Catalogue, clock: Clock, store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    adapters.promote(store, "gold", "cook", new_version(1), cause="test")
    (first,) = catalogue.wanted()
    adapters.promote(store, "gold", "cook", new_version(2), cause="test")
    assert catalogue.wanted() == (first,)
    clock.now += FRESH_S
    (second,) = catalogue.wanted()
    assert (second.epoch, second.adapter) == (2, "cook") and second.name != first.name
    assert catalogue.obtainable == {first.name, second.name}


def test_a_star_stands_for_every_adapter_that_has_an_alias(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    for number, adapter in enumerate(("cook", "bake")):
        adapters.promote(store, "gold", adapter, new_version(number + 1), cause="test")
    wanted = Catalogue(store, "gold", ["*"]).wanted()
    assert [each.adapter for each in wanted] == ["bake", "cook"]


def test_a_damaged_alias_leaves_everything_as_it_is(
    catalogue: Catalogue,
    clock: Clock,
    store: ObjectStore,
    new_version: Callable[[int], str],
    tmp_path: Path,
) -> None:
    adapters.promote(store, "gold", "cook", new_version(1), cause="test")
    before = catalogue.wanted()
    (tmp_path / "store/aliases/gold/cook.json").write_bytes(b"{}")
    clock.now += FRESH_S
    assert catalogue.wanted() == before


def test_a_version_that_no_alias_has_any_more_is_found_by_its_name(
    store: ObjectStore, new_version: Callable[[int], str]
) -> None:
    used = adapters.find(store, "gold", "cook", new_version(1))
    catalogue = Catalogue(store, "gold", ["cook"])
    catalogue.learn([used.name, "cook--000000000000"])
    assert catalogue.obtainable == {used.name}
    assert catalogue.by_name(used.name) == used
