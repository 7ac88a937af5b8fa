"""The swap protocol as a pure function: from what is seen of a tier to the next thing to do.

A version is loaded on one replica after the other: the replica is taken out of service, its
requests for adapters end, the version is loaded and checked, and it comes back. With the version on
enough replicas the alias flips in every router. Requests that began before keep the version that
they were resolved to; when its last one has ended anywhere, it is unloaded. A restarted replica or
router is a difference like any other, so repair and rollback need no rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from goldsmith.serving.adapters.actions import (
    Action,
    Announce,
    Fetch,
    Flip,
    Load,
    Recycle,
    Settled,
    SetWeight,
    Unload,
    Verify,
    Wait,
)
from goldsmith.serving.adapters.observed import Observed, Replica


def next_action(seen: Observed) -> Action:
    """The one thing to do now; `Wait` if something else must happen first, `Settled` if nothing."""
    for rule in _RULES:
        if action := rule(seen):
            return action
    return Settled()


def _see_everyone(seen: Observed) -> Action | None:
    """A router that is not seen may send anything anywhere."""
    if seen.silent:
        return Wait(f"router {', '.join(seen.silent)} does not answer")
    if not seen.routers or not seen.replicas:
        return Wait(f"tier {seen.tier} has no {'replica' if seen.routers else 'router'}")
    return None


def _announce(seen: Observed) -> Action | None:
    """Routers ask a replica only for what it can answer with, once all of it is loaded."""
    for replica in _healthy(seen):
        names = seen.can_answer(replica)
        if not seen.announced(replica.endpoint) and _next_name(seen, replica):
            continue  # quiet as long as nothing is announced
        for router in seen.knowing(replica.endpoint):
            if router.announced.get(replica.endpoint, frozenset()) != names:
                return Announce(replica.endpoint, tuple(sorted(names)))
    return None


def _flip(seen: Observed) -> Action | None:
    """The alias flips once enough replicas can answer with the version."""
    needed = max(1, len(seen.replicas) - seen.rules.spare)
    for wanted in seen.wanted:
        able = [each for each in seen.replicas if _can_take(seen, each, wanted.name)]
        epochs = [router.aliases.get(wanted.adapter, ("", 0))[1] for router in seen.routers]
        if len(able) >= needed and min(epochs) < wanted.epoch:
            return Flip(wanted.adapter, wanted.name, wanted.epoch)
    return None


def _fetch(seen: Observed) -> Action | None:
    """Files come before a replica is taken out, so that it is out for a short time only."""
    for replica in _healthy(seen):
        for name in seen.missing(replica):
            if name not in replica.fetched:
                return Fetch(replica.endpoint, name)
    return None


def _verify(seen: Observed) -> Action | None:
    """What is loaded is checked before a router hears of it."""
    for replica in _healthy(seen):
        for name in sorted((replica.loaded & seen.kept) - replica.verified - replica.blocked):
            return Verify(replica.endpoint, name)
    return None


def _bring_back(seen: Observed) -> Action | None:
    """A replica that has what it needs gets requests again."""
    for replica in _healthy(seen):
        known = any(seen.knowing(replica.endpoint))
        if known and not seen.weighted(replica) and not _needs_work(seen, replica):
            return SetWeight(replica.endpoint, 1.0)
    return None


def _load_where_quiet(seen: Observed) -> Action | None:
    """Load where no request for an adapter runs, and none can come."""
    for replica in _healthy(seen):
        if (name := _next_name(seen, replica)) and _is_quiet(seen, replica):
            return _load(seen, replica, name)
    return None


def _serve_those_out(seen: Observed) -> Action | None:
    """A replica that is out of service gets what it needs, or comes back if no other is left."""
    for replica in _healthy(seen):
        if seen.weighted(replica) or not _needs_work(seen, replica):
            continue
        if len(seen.replicas) > 1 and not _peers(seen, replica):
            return SetWeight(replica.endpoint, 1.0)
        if seen.gets_requests(replica):
            return SetWeight(replica.endpoint, 0.0)
        recycle = not _next_name(seen, replica)
        if running := _running(seen, replica, adapters_only=not recycle):
            return Wait(f"{running} requests run on {replica.endpoint}")
        return Recycle(replica.endpoint)
    return None


def _load(seen: Observed, replica: Replica, name: str) -> Action:
    """Load a name, after dropping what nobody uses."""
    return _drop(seen, replica) or Load(replica.endpoint, name)


def _drop(seen: Observed, replica: Replica) -> Action | None:
    """Unload a name that no request uses; `_announce` has withdrawn it before."""
    for name in seen.surplus(replica):
        everywhere = name not in seen.kept  # a retry may bring a request to any replica
        if not (seen.busy(name) if everywhere else seen.running(replica.endpoint, name)):
            return Unload(replica.endpoint, name)
    return None


def _retire(seen: Observed) -> Action | None:
    """What nobody uses any more goes."""
    for replica in _healthy(seen):
        if action := _drop(seen, replica):
            return action
    return None


def _take_out(seen: Observed) -> Action | None:
    """Take one replica out of service, if the others can do its work meanwhile."""
    candidates = [each for each in _healthy(seen) if _needs_work(seen, each)]
    for replica in candidates:
        if _replaceable(seen, replica):
            return SetWeight(replica.endpoint, 0.0)
    for replica in candidates:
        if name := _next_name(seen, replica):
            return _load_alone(seen, replica, name)
    return None


def _load_alone(seen: Observed, replica: Replica, name: str) -> Action:
    """Load on a replica whose work no other can do: in service if the engine is safe, else out."""
    if not seen.rules.must_drain:
        return _load(seen, replica, name)
    each_lacks_what_another_has = bool(_peers(seen, replica)) and not _failed(seen)
    if len(seen.replicas) == 1 or each_lacks_what_another_has:
        return SetWeight(replica.endpoint, 0.0)
    return Wait(f"no other replica of {seen.tier} can do the work of {replica.endpoint}")


def _explain(seen: Observed) -> Action | None:
    """Say what a difference that stays is waiting for."""
    for replica in _healthy(seen):
        for name in seen.surplus(replica):
            return Wait(f"{seen.busy(name)} requests still use {name}")
        if missing := seen.missing(replica):
            return Wait(f"{replica.endpoint} has no room for {missing[0]}")
    return Wait(f"{failed} failed and is tried again later") if (failed := _failed(seen)) else None


_RULES: tuple[Callable[[Observed], Action | None], ...] = (
    _see_everyone,
    _announce,
    _flip,
    _fetch,
    _verify,
    _bring_back,
    _load_where_quiet,
    _serve_those_out,
    _retire,
    _take_out,
    _explain,
)


def _healthy(seen: Observed) -> Iterator[Replica]:
    return (replica for replica in seen.replicas if replica.healthy)


def _needs_work(seen: Observed, replica: Replica) -> bool:
    """Whether something can be loaded, or the engine restarted where another takes over."""
    wasted = replica.loads - len(replica.loaded)
    due = 0 < seen.rules.recycle_after <= wasted
    return bool(_next_name(seen, replica)) or (due and bool(_peers(seen, replica)))


def _is_quiet(seen: Observed, replica: Replica) -> bool:
    """Whether no request for an adapter runs on a replica, and no router can send one."""
    asked = seen.gets_requests(replica) and bool(seen.announced(replica.endpoint))
    return not asked and not _running(seen, replica, adapters_only=True)


def _running(seen: Observed, replica: Replica, *, adapters_only: bool) -> int:
    """Requests that run on a replica."""
    names = replica.loaded | seen.kept
    if not adapters_only:
        return seen.running(replica.endpoint)
    return seen.running(replica.endpoint, *names) if names else 0


def _next_name(seen: Observed, replica: Replica) -> str:
    """The next name to load; empty if there is none, or no room for it."""
    missing = seen.missing(replica)
    room = len(replica.loaded) < seen.rules.max_loaded or _drop(seen, replica)
    return missing[0] if missing and room else ""


def _can_take(seen: Observed, replica: Replica, name: str) -> bool:
    """Whether every router may send a replica requests for a name now."""
    announced = (router.announced.get(replica.endpoint, ()) for router in seen.routers)
    return (
        seen.in_service(replica)
        and name in seen.can_answer(replica)
        and all(name in names for names in announced)
    )


def _peers(seen: Observed, replica: Replica) -> list[Replica]:
    """The other replicas that are in service."""
    others = (each for each in seen.replicas if each.endpoint != replica.endpoint)
    return [each for each in others if seen.in_service(each)]


def _replaceable(seen: Observed, replica: Replica) -> bool:
    """Whether for each name that is routed to this replica another one can answer."""
    peers = _peers(seen, replica)
    needed = seen.can_answer(replica) & seen.routed
    return bool(peers) and all(any(_can_take(seen, p, name) for p in peers) for name in needed)


def _failed(seen: Observed) -> str:
    """What failed a moment ago, and where; empty if nothing did."""
    found = ((name, each) for each in _healthy(seen) for name in sorted(each.blocked & seen.kept))
    return next((f"{name} on {replica.endpoint}" for name, replica in found), "")
