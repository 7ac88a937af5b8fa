"""The adapters of one tier as the registry has them: which version is live, and its name."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from goldsmith.errors import GoldsmithError, NotFoundError
from goldsmith.registry import adapters
from goldsmith.registry.adapters import AdapterVersion
from goldsmith.serving.adapters.observed import Wanted
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

EVERY = "*"
"""Stands for every adapter that has an alias."""
FRESH_S = 0.5
"""The store is asked at most that often."""


class Catalogue:
    """See the module; the last good answer stands while the store does not answer."""

    def __init__(
        self,
        store: ObjectStore,
        tier: str,
        names: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tier, self._store, self._names, self._clock = tier, store, tuple(names), clock
        self._versions: dict[tuple[str, str], AdapterVersion] = {}
        self._wanted: dict[str, Wanted] = {}
        self._unknown: set[str] = set()
        self._read_at: float | None = None

    def wanted(self) -> tuple[Wanted, ...]:
        """The live version of each adapter that has one; blocks on the store."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= FRESH_S:
            for adapter in self._all_names():
                self._read(adapter)
            self._read_at = now
        return tuple(self._wanted.values())

    def by_name(self, name: str) -> AdapterVersion:
        """The version that engines know by this name; KeyError if `obtainable` has it not."""
        return {each.name: each for each in self._versions.values()}[name]

    @property
    def obtainable(self) -> frozenset[str]:
        """Names whose files the registry is known to have."""
        return frozenset(each.name for each in self._versions.values())

    def learn(self, names: Iterable[str]) -> None:
        """Find the versions of names that routers still use, though no alias has them any more."""
        for name in sorted(set(names) - self.obtainable - self._unknown):
            adapter, _, digest = name.rpartition("--")
            try:
                self._find(adapter, f"v-{digest}")
            except (GoldsmithError, OSError) as error:
                log.warning("Routers use %s, which cannot be loaded again: %s", name, error)
                self._unknown.add(name)

    def _all_names(self) -> Sequence[str]:
        if EVERY not in self._names:
            return self._names
        try:
            return adapters.names(self._store, self.tier)
        except (GoldsmithError, OSError) as error:
            log.warning("Adapters of %s stay as they are: %s", self.tier, error)
            return ()

    def _read(self, adapter: str) -> None:
        try:
            alias, _ = adapters.read_alias(self._store, self.tier, adapter)
            live = self._find(adapter, alias.live)
        except NotFoundError:
            return  # nothing was registered yet
        except (GoldsmithError, OSError) as error:
            log.warning("Adapter %s/%s stays as it is: %s", self.tier, adapter, error)
            return
        self._wanted[adapter] = Wanted(adapter, live.name, alias.epoch)

    def _find(self, adapter: str, version: str) -> AdapterVersion:
        """A version never changes, so its manifest is read once."""
        key = (adapter, version)
        if key not in self._versions:
            found = adapters.find(self._store, self.tier, adapter, version)
            self._versions[key] = found
            log.info("%s/%s %s is %s", self.tier, adapter, version, found.name)
        return self._versions[key]
