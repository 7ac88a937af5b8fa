"""The swap protocol's next step in moments that are rare and matter."""

from __future__ import annotations

from dataclasses import replace

from goldsmith.serving.adapters.actions import Announce, Flip, Load, SetWeight, Unload, Wait
from goldsmith.serving.adapters.observed import Observed, Replica, Router, Rules, Wanted
from goldsmith.serving.adapters.protocol import next_action

OLD, NEW = "cook--000000000001", "cook--000000000002"


def test_a_request_that_a_router_no_longer_announces_a_version_for_still_keeps_it() -> None:
    replica = Replica("a", loaded=frozenset({OLD, NEW}), verified=frozenset({NEW}))
    router = Router(
        "r",
        weights={"a": 1.0},
        announced={"a": frozenset({NEW})},
        aliases={"cook": (NEW, 2)},
        in_flight={("b", OLD): 1},
    )
    seen = Observed("gold", (Wanted("cook", NEW, 2),), frozenset({NEW}), (replica,), (router,))
    assert next_action(seen) == Wait(f"1 requests still use {OLD}")
    assert next_action(replace(seen, routers=(replace(router, in_flight={}),))) == Unload("a", OLD)


def test_an_alias_does_not_flip_to_a_replica_that_is_out_of_service() -> None:
    names = frozenset({NEW})
    ready = Replica("a", loaded=names, verified=names, fetched=names)
    router = Router(
        "r",
        weights={"a": 0.0, "b": 1.0},
        announced={"a": names},
        healthy=frozenset({"a", "b"}),
    )
    seen = Observed(
        "gold",
        (Wanted("cook", NEW, 2),),
        replicas=(ready, Replica("b")),
        routers=(router,),
        rules=Rules(spare=1),
    )
    assert next_action(seen) == SetWeight("a", 1.0)
    back = replace(router, weights={"a": 1.0, "b": 1.0})
    assert next_action(replace(seen, routers=(back,))) == Flip("cook", NEW, 2)


def test_a_replica_stays_in_service_until_routers_have_seen_its_peer_come_back() -> None:
    both, old = frozenset({OLD, NEW}), frozenset({OLD})
    back = Replica("a", loaded=both, verified=both, fetched=both)
    next_one = Replica("b", loaded=old, verified=old, fetched=both)
    router = Router(
        "r",
        weights={"a": 1.0, "b": 1.0},
        announced={"a": both, "b": old},
        aliases={"cook": (OLD, 1)},
        healthy=frozenset({"b"}),
    )
    seen = Observed("gold", (Wanted("cook", NEW, 2),), both, (back, next_one), (router,))
    assert next_action(seen) == Wait("no other replica of gold can do the work of b")
    well = replace(router, healthy=frozenset({"a", "b"}))
    assert next_action(replace(seen, routers=(well,))) == SetWeight("b", 0.0)


def test_an_alias_does_not_flip_before_routers_may_ask_for_the_version() -> None:
    other = "bake--000000000003"
    replica = Replica(
        "a", loaded=frozenset({NEW}), verified=frozenset({NEW}), fetched=frozenset({other})
    )
    router = Router("r", weights={"a": 1.0}, healthy=frozenset({"a"}))
    wanted = (Wanted("cook", NEW, 2), Wanted("bake", other, 1))
    seen = Observed("gold", wanted, frozenset({NEW, other}), (replica,), (router,))
    assert next_action(seen) == Load("a", other)


def test_a_drained_replica_comes_back_when_its_last_peer_goes_down() -> None:
    old = frozenset({OLD})
    replica = Replica("a", loaded=old, verified=old, fetched=frozenset({OLD, NEW}))
    router = Router(
        "r",
        weights={"a": 0.0, "b": 1.0},
        announced={"a": old},
        aliases={"cook": (OLD, 1)},
        in_flight={("a", OLD): 1},
        healthy=frozenset({"a"}),
    )
    peer = Replica("b", healthy=False)
    wanted = (Wanted("cook", NEW, 2),)
    seen = Observed("gold", wanted, frozenset({OLD, NEW}), (replica, peer), (router,))
    assert next_action(seen) == SetWeight("a", 1.0)


def test_a_version_that_turns_out_wrong_is_withdrawn() -> None:
    both = frozenset({OLD, NEW})
    replica = Replica("a", loaded=both, verified=frozenset({OLD}), blocked=frozenset({NEW}))
    router = Router("r", weights={"a": 1.0}, announced={"a": both}, healthy=frozenset({"a"}))
    seen = Observed("gold", (Wanted("cook", NEW, 2),), both, (replica,), (router,))
    assert next_action(seen) == Announce("a", ())
