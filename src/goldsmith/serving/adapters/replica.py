"""One engine as the controller handles it: what it says, and what is remembered of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from goldsmith.errors import GoldsmithError
from goldsmith.registry.adapters import AdapterVersion, adapter_of
from goldsmith.serving.adapters import golden
from goldsmith.serving.adapters.golden import Fingerprint
from goldsmith.serving.adapters.hosts import Host
from goldsmith.serving.adapters.observed import Replica
from goldsmith.serving.engines import Engine, EngineError

log = logging.getLogger(__name__)

_RETRY_S, _LONGEST_RETRY_S = 1.0, 60.0
"""What failed on a replica is left alone there for so long; twice as long each time."""
_LOOK_S = 5.0
_RECYCLE_S = 600.0
"""After which an engine that was to be restarted counts as it is."""
References = dict[tuple[str, frozenset[str]], Fingerprint]
"""(adapter, names of the base model) to the first right answer to the golden prompt."""


class ReplicaKeeper:
    """See the module; an adapter that fails is left alone on the replica for a while."""

    def __init__(
        self,
        engine: Engine,
        host: Host,
        *,
        references: References,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = engine.url
        self._engine, self._host, self._clock = engine, host, clock
        self._references = references
        self._base: frozenset[str] = frozenset()
        self._loaded: frozenset[str] = frozenset()
        self._verified: set[str] = set()
        self._paths: dict[str, str] = {}
        self._blocked: dict[str, float] = {}
        self._failures: Counter[str] = Counter()
        self._loads = 0
        self._recycled_at: float | None = None

    async def look(self) -> Replica:
        """The replica as it is now."""
        try:
            names = await asyncio.wait_for(self._engine.models(), _LOOK_S)
            healthy = await asyncio.wait_for(self._engine.health(), _LOOK_S)
        except (EngineError, TimeoutError):
            names, healthy = [], False
        if not healthy:
            self._forget_process()
            return Replica(self.endpoint, healthy=False)
        self._take_in(frozenset(names))
        return self._replica()

    async def fetch(self, wanted: AdapterVersion) -> None:
        """Bring the files of an adapter there."""
        with self._blocking(wanted.name):
            self._paths[wanted.name] = await self._host.fetch(self.endpoint, wanted)

    async def load(self, name: str) -> None:
        """Load an adapter that is fetched."""
        with self._blocking(name):
            await self._engine.load_adapter(name, self._paths[name])
            self._loads += 1

    async def verify(self, name: str, *, prompt: str) -> None:
        """Check the answer to the golden prompt."""
        with self._blocking(name):
            base = await golden.fingerprint(self._engine, min(self._base, default=""), prompt)
            found = await golden.fingerprint(self._engine, name, prompt)
            key = (name, self._base)
            golden.check(name, found, base=base, reference=self._references.get(key))
            self._references.setdefault(key, found)
            self._verified.add(name)
            del self._failures[name]

    async def unload(self, name: str) -> None:
        """Drop an adapter and its files."""
        with self._blocking(name):
            await self._engine.unload_adapter(name)
            self._loaded -= {name}
            self._paths.pop(name, None)
            await self._host.forget(self.endpoint, name)

    async def recycle(self) -> None:
        """Have the engine restarted; until it is back it does not count as healthy."""
        self._recycled_at = self._clock()
        await self._host.recycle(self.endpoint)

    @contextmanager
    def _blocking(self, name: str) -> Iterator[None]:
        """If it fails, the adapter is left alone here for a while."""
        try:
            yield
        except (GoldsmithError, OSError) as error:
            log.warning("%s on %s: %s", name, self.endpoint, error)
            wait_s = min(_LONGEST_RETRY_S, _RETRY_S * 2 ** self._failures[name])
            self._blocked[name] = self._clock() + wait_s
            self._failures[name] += 1

    def _take_in(self, names: frozenset[str]) -> None:
        loaded = frozenset(name for name in names if adapter_of(name))
        if self._loaded - loaded:  # none that we unloaded: another process has taken its place
            self._forget_process()
        self._base, self._loaded = names - loaded, loaded
        self._verified &= loaded
        now = self._clock()
        self._blocked = {name: end for name, end in self._blocked.items() if end > now}

    def _forget_process(self) -> None:
        """A new process has nothing loaded, and its pod may have no file either."""
        self._loaded, self._loads, self._recycled_at = frozenset(), 0, None
        self._verified.clear()
        self._paths.clear()

    def _replica(self) -> Replica:
        if self._recycled_at is not None:
            if self._clock() - self._recycled_at < _RECYCLE_S:
                return Replica(self.endpoint, healthy=False)
            log.warning("%s was not restarted in %g s", self.endpoint, _RECYCLE_S)
            self._recycled_at, self._loads = None, 0
        return Replica(
            self.endpoint,
            loaded=self._loaded,
            verified=frozenset(self._verified),
            fetched=frozenset(self._paths),
            blocked=frozenset(self._blocked),
            loads=self._loads,
        )
