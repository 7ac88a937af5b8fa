"""What the routers report of a tier's adapters, for a verb that asks and waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from goldsmith.errors import RunError
from goldsmith.registry.adapters import AdapterVersion
from goldsmith.serving.adapters.observed import Router
from goldsmith.serving.adapters.places import addresses
from goldsmith.serving.adapters.routers import RouterAdmin, RouterError

_POLL_S = 0.2


def routers_say(urls: Sequence[str], tier: str) -> tuple[Router, ...]:
    """The state of every router behind some admin URLs; RouterError if one does not answer."""

    async def ask() -> tuple[Router, ...]:
        async with aiohttp.ClientSession() as session:
            places = await addresses(urls)
            if not places:
                raise RouterError(f"no router at {', '.join(urls)}", why="the name has no address")
            states = (RouterAdmin(place, session).state(tier) for place in places)
            return tuple(await asyncio.gather(*states))

    return asyncio.run(ask())


def wait_until_routed(
    urls: Sequence[str], wanted: AdapterVersion, *, epoch: int, limit_s: float
) -> float:
    """Wait until every router resolves an adapter with `epoch` or a later one; the seconds."""
    began = time.monotonic()
    while late := _late(urls, wanted, epoch):
        if time.monotonic() - began > limit_s:
            raise RunError(
                f"{', '.join(late)} does not give requests {wanted.name} after {limit_s:g} s",
                why=f"{wanted.version} is live in the store, but not on enough replicas",
                fix="see the adapter controller's log; `goldsmith adapters rollback` undoes it",
            )
        time.sleep(_POLL_S)
    return time.monotonic() - began


def routed(states: Sequence[Router], wanted: AdapterVersion) -> bool:
    """Whether every router resolves the adapter to this version."""
    return all(state.aliases.get(wanted.adapter, ("", 0))[0] == wanted.name for state in states)


def able_replicas(states: Sequence[Router], name: str) -> int:
    """Replicas that every router may ask for an adapter."""
    endpoints = {endpoint for state in states for endpoint in state.weights}
    return sum(
        all(name in state.announced.get(endpoint, ()) for state in states) for endpoint in endpoints
    )


def _late(urls: Sequence[str], wanted: AdapterVersion, epoch: int) -> list[str]:
    states = routers_say(urls, wanted.tier)
    return [each.url for each in states if each.aliases.get(wanted.adapter, ("", 0))[1] < epoch]
