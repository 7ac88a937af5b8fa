"""Which version of an adapter `tier/adapter` means: a flip with a higher epoch wins, for good."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from goldsmith.config.load import nearest
from goldsmith.serving.router.refusal import Refusal

VERSION = re.compile(r"([a-z0-9][a-z0-9_.-]{0,62})--[0-9a-f]{12}")
"""An adapter's engine-side name: `<adapter>--<12 digits of its digest>`."""


@dataclass(frozen=True, slots=True)
class Flip:
    """What an adapter's name stands for."""

    name: str
    epoch: int


class Aliases:
    """Adapters by tier and name; a request resolves its adapter once, when it arrives."""

    def __init__(self) -> None:
        self._flips: dict[tuple[str, str], Flip] = {}

    def resolve(self, tier: str, adapter: str) -> str:
        """The engine-side name; Refusal (404)."""
        flip = self._flips.get((tier, adapter))
        if flip is not None:
            return flip.name
        there = [name for known, name in self._flips if known == tier]
        fix = nearest(adapter, there) if there else f"tier {tier} has no adapters"
        what = f"unknown adapter {adapter[:64]!r} of tier {tier}"
        raise Refusal(404, "model_not_found", what, fix=fix, param="model")

    def flip(self, tier: str, adapter: str, name: str, epoch: int) -> None:
        """Refusal (409) unless the epoch is higher, or it is the same flip again."""
        old = self._flips.get((tier, adapter))
        if old is not None and (epoch < old.epoch or (epoch == old.epoch and name != old.name)):
            why = f"it stands for {old.name} since epoch {old.epoch}"
            what = f"{tier}/{adapter} is not flipped to {name} with epoch {epoch}"
            raise Refusal(409, "stale_epoch", what, why=why)
        self._flips[tier, adapter] = Flip(name, epoch)

    def adopt(self, tier: str, names: Iterable[str]) -> None:
        """After a start: what the replicas have loaded, where that leaves no choice."""
        found: dict[str, set[str]] = {}
        for name in names:
            if match := VERSION.fullmatch(name):
                found.setdefault(match[1], set()).add(name)
        for adapter, versions in found.items():
            known = self._flips.get((tier, adapter))
            if len(versions) == 1 and (known is None or known.epoch == 0):
                self._flips[tier, adapter] = Flip(versions.pop(), 0)

    def of(self, tier: str) -> dict[str, Flip]:
        """The adapters of a tier."""
        return {name: flip for (known, name), flip in self._flips.items() if known == tier}
