"""The swap protocol against engines and routers that do as they like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldsmith.serving.adapters.actions import (
    Flip,
    Load,
    Recycle,
    Settled,
    SetWeight,
    Unload,
    Wait,
)
from goldsmith.serving.adapters.observed import Observed, Replica, Router, Rules
from goldsmith.serving.adapters.protocol import next_action
from tests.fixtures.adapter_cluster import BASE
from tests.fixtures.adapter_world import World

CALM = ("probe", "probe", "arrive", "arrive", "arrive", "finish", "finish", "promote", "rollback")
BAD = (*CALM, "crash", "toggle", "restart_router", "restart_controller", "fail_next", "forgive")
WORLDS = st.builds(
    World,
    replicas=st.integers(2, 3),
    routers=st.integers(1, 2),
    rules=st.builds(
        Rules,
        spare=st.integers(0, 1),
        max_loaded=st.integers(3, 4),
        recycle_after=st.sampled_from([0, 2, 5]),
        must_drain=st.booleans(),
    ),
    seed=st.integers(0, 1000),
)


def world(*, replicas: int = 2, routers: int = 1, **rules: int) -> World:
    """A small one with the first version live everywhere."""
    made = World(replicas=replicas, routers=routers, rules=Rules(**rules))
    made.promote()
    made.settle()
    made.check_settled()
    return made


def play(here: World, happenings: list[str]) -> None:
    for happening in happenings:
        getattr(here, happening)()
        here.act()


@settings(max_examples=150, deadline=None)
@given(here=WORLDS, happenings=st.lists(st.sampled_from(CALM), max_size=60))
def test_no_request_is_refused_while_versions_come_and_go(
    here: World, happenings: list[str]
) -> None:
    play(here, happenings)
    assert here.refused == 0


@settings(max_examples=200, deadline=None)
@given(here=WORLDS, happenings=st.lists(st.sampled_from(BAD), max_size=60))
def test_after_any_bad_day_everything_is_as_the_store_says(
    here: World, happenings: list[str]
) -> None:
    play(here, happenings)
    here.calm()
    here.settle()
    here.check_settled()


@settings(max_examples=100, deadline=None)
@given(here=WORLDS, happenings=st.lists(st.sampled_from([*BAD, "other"]), max_size=60))
def test_two_adapters_of_a_tier_do_not_hinder_each_other(
    here: World, happenings: list[str]
) -> None:
    here.rules = replace(here.rules, max_loaded=5)
    for happening in happenings:
        if happening == "other":
            here.promote("bake")
        else:
            getattr(here, happening)()
        here.act()
    here.calm()
    here.settle()
    here.check_settled()


def test_a_swap_takes_replicas_out_one_after_the_other_and_flips_at_the_end() -> None:
    here = world(replicas=3)
    here.log.clear()
    name = here.promote()
    here.settle()
    flip = next(i for i, action in enumerate(here.log) if isinstance(action, Flip))
    loads = [i for i, action in enumerate(here.log) if isinstance(action, Load)]
    unloads = [i for i, action in enumerate(here.log) if isinstance(action, Unload)]
    assert len(loads) == len(unloads) == 3
    assert max(loads) < flip < min(unloads)
    outs = [action.weight for action in here.log if isinstance(action, SetWeight)]
    assert outs == [0.0, 1.0] * 3
    assert here.gateways[0].aliases == {"cook": (name, 2)}


def test_a_replica_is_not_loaded_before_its_requests_for_adapters_have_ended() -> None:
    here = world()
    while len(here.requests) < 8:
        here.arrive()
    here.promote()
    for _ in range(20):
        here.act()
    assert isinstance(here.log[-1], Wait) and "requests run on" in here.log[-1].why
    here.requests.clear()
    here.settle()
    here.check_settled()


def test_a_version_stays_loaded_until_its_last_request_has_ended_anywhere() -> None:
    here = world(replicas=1, must_drain=0)
    old = here.gateways[0].aliases["cook"][0]
    here.arrive()
    here.promote()
    for _ in range(40):
        here.act()
    assert all(old in engine.loaded for engine in here.engines.values())
    assert here.log[-1] == Wait(f"1 requests still use {old}")
    here.finish()
    here.settle()
    here.check_settled()


def test_a_rollback_flips_back_at_once_while_the_old_version_is_loaded() -> None:
    here = world()
    here.arrive()
    old = here.requests[0].model
    here.requests = [replace(here.requests[0], endpoint="http://e1")]
    here.promote()
    for _ in range(12):  # up to the first replica's return
        here.act()
    here.rollback()
    here.log.clear()
    here.act()
    here.settle()
    assert not any(isinstance(action, Load) for action in here.log)
    assert here.gateways[0].aliases["cook"][0] == old


def test_a_version_that_fails_on_one_replica_is_not_flipped_to() -> None:
    here = world()
    old = here.gateways[0].aliases["cook"]
    bad = here.promote()
    here.failing[bad] = 100
    for _ in range(40):
        here.act()
    assert here.gateways[0].aliases["cook"] == old
    assert set(here.gateways[0].weights.values()) == {1.0}
    assert isinstance(here.log[-1], Wait) and bad in here.log[-1].why


def test_all_but_one_flips_while_a_replica_is_down() -> None:
    here = world(replicas=3, spare=1)
    next(iter(here.engines.values())).up = False
    name = here.promote()
    for _ in range(60):
        here.act()
    assert here.gateways[0].aliases["cook"][0] == name


def test_nothing_is_done_while_a_router_is_silent() -> None:
    seen = Observed("gold", silent=("http://r9",), replicas=(Replica("a"),), routers=(Router("r"),))
    assert next_action(seen) == Wait("router http://r9 does not answer")


def test_the_only_replica_of_a_tier_loads_in_service_if_its_engine_is_safe() -> None:
    for must_drain, weights in ((0, []), (1, [0.0, 1.0])):
        here = world(replicas=1, must_drain=must_drain)
        here.promote()
        here.settle()
        assert [each.weight for each in here.log if isinstance(each, SetWeight)] == weights


def test_a_replica_whose_peers_are_down_is_left_in_service() -> None:
    here = world()
    here.engines["http://e0"].up = False
    here.promote()
    for _ in range(10):
        here.act()
    assert isinstance(here.log[-1], Wait) and "http://e1" in here.log[-1].why
    assert here.gateways[0].weights["http://e1"] == 1.0


def test_an_engine_is_recycled_after_so_many_loads_and_loaded_anew() -> None:
    here = world(recycle_after=3)
    for _ in range(4):
        here.promote()
        here.settle()
    assert sum(isinstance(action, Recycle) for action in here.log) == 2
    here.check_settled()


@pytest.mark.parametrize(
    ("room", "loaded"), [pytest.param(2, False, id="full"), pytest.param(3, True, id="room")]
)
def test_a_full_engine_waits_for_requests_of_an_old_version(room: int, loaded: bool) -> None:
    here = world(replicas=1, max_loaded=room, must_drain=0)
    here.arrive()
    here.promote()
    for _ in range(30):
        here.act()
    name = here.promote()
    for _ in range(30):
        here.act()
    assert (name in here.engines["http://e0"].loaded) is loaded


def test_a_restarted_router_learns_everything_again() -> None:
    here = world(routers=2)
    here.restart_router()
    here.log.clear()
    here.settle()
    here.check_settled()
    assert not any(isinstance(action, Load | SetWeight) for action in here.log)


def test_an_unknown_endpoint_is_loaded_but_counts_only_once_every_router_knows_it() -> None:
    here = world()
    del here.gateways[0].weights["http://e1"]
    here.promote()
    for _ in range(60):
        if isinstance(here.act(), Settled):
            break
    assert here.gateways[0].aliases["cook"][1] == 1
    here.gateways[0].weights["http://e1"] = 1.0
    here.settle()
    here.check_settled()


def test_requests_for_the_base_model_do_not_hold_a_load_up() -> None:
    here = world()
    here.requests = [replace(each, model=BASE) for each in here.requests]
    here.promote()
    here.settle()
    here.check_settled()
