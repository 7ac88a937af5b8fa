"""Which version of a tier is live: `aliases/<tier>.json`, moved by compare-and-swap only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from goldsmith.errors import ConflictError, NotFoundError
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

_KEPT = 50
"""Previous versions that an alias remembers."""


@dataclass(frozen=True)
class Alias:
    """One state of an alias; `epoch` grows with every move, forward or back."""

    tier: str
    live: str
    previous: tuple[str, ...] = ()
    """Versions that were live before, the latest last; `rollback` goes to that one."""
    epoch: int = 1
    cause: str = ""
    """What moved it: a promotion's id, or who said so."""

    def promoted(self, version: str, *, cause: str) -> Alias:
        """The state after `version` went live."""
        previous = (*self.previous, self.live)[-_KEPT:]
        return replace(self, live=version, previous=previous, epoch=self.epoch + 1, cause=cause)

    def rolled_back(self, *, cause: str) -> Alias:
        """The state after going back to the version before."""
        return replace(
            self,
            live=self.previous[-1],
            previous=self.previous[:-1],
            epoch=self.epoch + 1,
            cause=cause,
        )


def alias_key(tier: str) -> str:
    """Where the alias of a tier is kept."""
    return f"aliases/{tier}.json"


def read_alias(store: ObjectStore, tier: str) -> tuple[Alias, str]:
    """The alias and the tag that `move` wants; NotFoundError if the tier has no live version."""
    key = alias_key(tier)
    try:
        data, tag = store.get_tagged(key)
    except NotFoundError as error:
        raise NotFoundError(
            f"tier {tier} has no live version in {store.url}",
            fix="`goldsmith run` registers the bases and makes them live",
        ) from error
    document = unseal(data, key=f"{store.url}/{key}")
    fields: dict[str, Any] = {name: document[name] for name in Alias.__dataclass_fields__}
    return Alias(**{**fields, "previous": tuple(fields["previous"])}), tag


def live(store: ObjectStore, tier: str) -> str:
    """The live version of a tier; NotFoundError if there is none."""
    return read_alias(store, tier)[0].live


def move(store: ObjectStore, alias: Alias, *, tag: str | None) -> Alias:
    """Swap the alias if it is still the tagged one (None: there is none yet).

    ConflictError names the winner if somebody else was first.
    """
    data = seal({"kind": "alias", **asdict(alias)})
    try:
        if tag is None:
            store.create(alias_key(alias.tier), data)
        else:
            store.replace(alias_key(alias.tier), data, tag=tag)
    except ConflictError as error:
        winner = read_alias(store, alias.tier)[0]
        raise lost_to(winner, alias.live) from error
    return alias


def lost_to(winner: Alias, version: str) -> ConflictError:
    """What the loser of a race is told."""
    return ConflictError(
        f"{version} was not made live on tier {winner.tier}",
        why=f"{winner.cause} made {winner.live} live first (epoch {winner.epoch})",
        fix="evaluate against what is live now",
    )
