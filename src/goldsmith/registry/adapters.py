"""LoRA adapters in the registry: versions of a tier like any other, under aliases of their own.

An adapter version lies at `models/<tier>/<version>/`; which one is live says
`aliases/<tier>/<adapter>.json`. Engines know it as `<adapter>--<12 hex digits of its digest>`, so a
name never means other weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldsmith.errors import ArtefactError, ConfigError, ConflictError, NotFoundError, StoreError
from goldsmith.registry import aliases, models
from goldsmith.registry.aliases import Alias
from goldsmith.registry.intake import check_artefact
from goldsmith.store.object_store import ObjectStore

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*(?:-[a-z0-9_]+)*")
_ENGINE_NAME = re.compile(rf"({_NAME.pattern})--[0-9a-f]{{12}}")
_LONGEST_NAME = 48


@dataclass(frozen=True)
class AdapterVersion:
    """One version of an adapter, of a tier."""

    tier: str
    adapter: str
    version: str
    digest: str

    @property
    def name(self) -> str:
        """What engines call it."""
        return engine_name(self.adapter, self.digest)


def check_name(adapter: str) -> str:
    """Return the name of an adapter if it is plain; ConfigError if not."""
    if len(adapter) <= _LONGEST_NAME and _NAME.fullmatch(adapter):
        return adapter
    raise ConfigError(
        f"adapter name {adapter[:80]!r} is refused",
        fix=f"use at most {_LONGEST_NAME} of a-z, 0-9, _ and single -",
    )


def engine_name(adapter: str, digest: str) -> str:
    """What engines call the version of `adapter` with this digest."""
    return f"{check_name(adapter)}--{digest[:12]}"


def adapter_of(name: str) -> str:
    """The adapter of an engine-side name; empty if it is the name of something else."""
    match = _ENGINE_NAME.fullmatch(name)
    return match[1] if match and len(match[1]) <= _LONGEST_NAME else ""


def add(store: ObjectStore, directory: Path, *, tier: str, lineage: Mapping[str, Any]) -> str:
    """Check, commit and sign an adapter's folder; its version's name."""
    if check_artefact(directory).form != "adapter":
        raise ArtefactError(
            f"{directory} is no adapter", why="it holds a whole model", fix="use `models promote`"
        )
    return models.add(store, directory, tier=tier, lineage=lineage)


def find(store: ObjectStore, tier: str, adapter: str, version: str) -> AdapterVersion:
    """A version, its signature checked; ArtefactError if it is no adapter."""
    manifest = models.show(store, tier, version)
    if manifest.get("artefact", {}).get("form") != "adapter":
        raise ArtefactError(f"{tier}/{version} is no adapter", why="it is a whole model")
    return AdapterVersion(tier, check_name(adapter), version, manifest["digest"])


def names(store: ObjectStore, tier: str) -> list[str]:
    """The adapters of a tier that have a live version, sorted."""
    prefix = f"aliases/{tier}/"
    found = (key.removeprefix(prefix).removesuffix(".json") for key in store.list(prefix))
    return sorted(name for name in found if "/" not in name)


def read_alias(store: ObjectStore, tier: str, adapter: str) -> tuple[Alias, str]:
    """The alias of an adapter and the tag that a swap wants; NotFoundError if there is none."""
    try:
        return aliases.read_alias(store, f"{tier}/{check_name(adapter)}")
    except NotFoundError as error:
        raise NotFoundError(
            f"adapter {tier}/{adapter} has no live version in {store.url}",
            fix=f"goldsmith adapters swap {tier}/{adapter} FOLDER",
        ) from error


def promote(
    store: ObjectStore,
    tier: str,
    adapter: str,
    version: str,
    *,
    cause: str,
    judged_against: str = "",
) -> Alias:
    """Make a version of an adapter live by compare-and-swap; the alias afterwards.

    ConflictError if another than `judged_against` is live. What is live already changes nothing.
    """
    find(store, tier, adapter, version)
    try:
        current, tag = read_alias(store, tier, adapter)
    except NotFoundError:
        first = Alias(tier=f"{tier}/{adapter}", live=version, cause=cause)
        return aliases.move(store, first, tag=None)
    if current.live == version:
        return current
    if judged_against and current.live != judged_against:
        raise aliases.lost_to(current, version)
    return aliases.move(store, current.promoted(version, cause=cause), tag=tag)


def rollback(
    store: ObjectStore, tier: str, adapter: str, *, cause: str, expected: str = ""
) -> Alias:
    """Make the version before the live one live again; StoreError if there is none.

    ConflictError if another than `expected` is live, since then another step would be undone.
    """
    current, tag = read_alias(store, tier, adapter)
    if expected and current.live != expected:
        raise ConflictError(f"{tier}/{adapter} was not rolled back", why=f"{current.live} is live")
    if not current.previous:
        raise StoreError(f"adapter {tier}/{adapter} has no version before {current.live}")
    find(store, tier, adapter, current.previous[-1])
    return aliases.move(store, current.rolled_back(cause=cause), tag=tag)
