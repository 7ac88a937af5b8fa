"""What the adapter controller can do, each step on its own and safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Tell every router how much of its tier's requests a replica gets: 0 or 1."""

    endpoint: str
    weight: float


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell every router which adapters a replica can answer with."""

    endpoint: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flip:
    """Make every router resolve an adapter to this version; the higher epoch wins."""

    adapter: str
    name: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring an adapter's verified files to where the replica's engine can read them."""

    endpoint: str
    name: str


@dataclass(frozen=True, slots=True)
class Load:
    """Make the engine load an adapter."""

    endpoint: str
    name: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Check that the engine answers the golden prompt with the adapter as its peers do."""

    endpoint: str
    name: str


@dataclass(frozen=True, slots=True)
class Unload:
    """Make the engine drop an adapter, and remove its files."""

    endpoint: str
    name: str


@dataclass(frozen=True, slots=True)
class Recycle:
    """Restart a replica's engine, which leaks memory at each load."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done before something else has happened."""

    why: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything is as it should be."""


Action = SetWeight | Announce | Flip | Fetch | Load | Verify | Unload | Recycle | Wait | Settled
