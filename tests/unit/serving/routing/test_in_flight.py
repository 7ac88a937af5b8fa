"""Counting what is on its way, whatever order the events come in."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.events import (
    Adapters,
    Ended,
    Endpoints,
    FirstByte,
    Health,
    Judged,
    Load,
    Observation,
    Sent,
    Weight,
)
from goldsmith.serving.routing.log import line_of
from tests.fixtures.routing import arrived, endpoints, new_brain

URLS = [*endpoints("gold"), endpoints("silver")[0], "http://no:1"]
requests, urls = st.integers(0, 2), st.sampled_from(URLS)
tiers = st.sampled_from([(), ("gold",), ("silver", "bronze"), ("nowhere",)])
adapters = st.sampled_from(["", "chef--1", "chef--2"])
steps = st.one_of(
    st.tuples(st.just("decide"), requests, tiers, adapters, st.sets(urls, max_size=2)),
    st.tuples(st.just("send"), requests, urls),
    st.tuples(st.just("first"), requests, urls),
    st.tuples(st.just("end"), requests, urls, st.booleans()),
    st.tuples(st.just("judge"), requests, st.floats(-1, 2)),
    st.tuples(st.just("health"), urls, st.booleans()),
    st.tuples(st.just("load"), urls, st.integers(0, 40), st.floats(0, 1)),
    st.tuples(st.just("list"), st.sampled_from(["gold", "silver", "no"]), st.sets(urls)),
    st.tuples(st.just("adapters"), urls, st.sets(adapters.filter(bool))),
    st.tuples(st.just("weight"), urls, st.sampled_from([0.0, 0.5, 1.0])),
)


def event(at: float, step: tuple[Any, ...]) -> Observation:
    """A drawn step as an event."""
    match step:
        case "send", number, url:
            return Sent(at, f"r{number}", url)
        case "first", number, url:
            return FirstByte(at, f"r{number}", url)
        case "end", number, url, ok:
            return Ended(at, f"r{number}", url, 9, 100, ok, 200 if ok else 502)
        case "judge", number, quality:
            return Judged(at, f"r{number}", quality)
        case "health", url, healthy:
            return Health(at, url, healthy)
        case "load", url, running, kv_use:
            return Load(at, url, running, running // 2, kv_use)
        case "list", tier, listed:
            return Endpoints(at, tier, tuple(sorted(listed)))
        case "adapters", url, names:
            return Adapters(at, url, tuple(sorted(names)))
        case _, url, weight:
            return Weight(at, url, weight)


def play(brain: Brain, drawn: list[tuple[float, tuple[Any, ...]]]) -> list[bytes]:
    """All steps, at times that may go back; every decision as it is logged."""
    decided = []
    for at, step in drawn:
        if step[0] == "decide":
            _, number, names, adapter, excluded = step
            fields = {"tiers": names, "adapter": adapter, "excluded": tuple(sorted(excluded))}
            decided.append(line_of(brain.decide(arrived(number, at, **fields))))
        else:
            brain.observe(event(at, step))
    return decided


drawn_steps = st.lists(st.tuples(st.floats(0, 1e6), steps), max_size=60)


@settings(max_examples=150, deadline=None)
@given(drawn_steps)
def test_nothing_is_in_flight_once_everything_has_ended(
    drawn: list[tuple[float, tuple[Any, ...]]],
) -> None:
    brain = new_brain(budget_usd_per_hour=1.0)
    play(brain, drawn)
    for number in range(3):
        for url in URLS:
            brain.observe(Ended(2e6, f"r{number}", url, 9, 100, True, 200))
    for url in URLS:
        assert brain.in_flight(url) == 0
        for model in ("gold", "silver", "bronze", "chef--1", "chef--2"):
            assert brain.in_flight(url, model) == 0


@settings(max_examples=100, deadline=None)
@given(drawn_steps)
def test_the_same_events_give_the_same_decisions_bit_for_bit(
    drawn: list[tuple[float, tuple[Any, ...]]],
) -> None:
    assert play(new_brain(), drawn) == play(new_brain(), drawn)


def test_in_flight_is_counted_by_model() -> None:
    brain = new_brain(names=("gold",), replicas=1)
    (url,) = endpoints("gold", 1)
    brain.observe(Adapters(0.0, url, ("chef--1",)))
    for number, adapter in enumerate(("", "chef--1", "chef--1")):
        brain.decide(arrived(number, adapter=adapter))
        brain.observe(Sent(0.0, f"r{number}", url))
    assert brain.in_flight(url) == 3
    assert brain.in_flight(url, "chef--1") == 2
    assert brain.in_flight(url, "gold") == 1
    brain.observe(Ended(1.0, "r1", url, 5, 5, True, 200))
    brain.observe(Ended(1.1, "r1", url, 5, 5, True, 200))
    assert brain.in_flight(url, "chef--1") == 1


def test_the_same_event_twice_counts_once() -> None:
    brain = new_brain(names=("gold",), replicas=1)
    (url,) = endpoints("gold", 1)
    brain.decide(arrived())
    for _ in range(2):
        brain.observe(Sent(0.0, "r0", url))
    assert brain.in_flight(url) == 1
    for at in (0.1, 0.2):
        brain.observe(FirstByte(at, "r0", url))
    for _ in range(2):
        brain.observe(Ended(1.0, "r0", url, 3, 3, True, 200))
    assert brain.in_flight(url) == 0
    assert brain.decide(arrived(1, 1.0)).reason == "cheapest"


def test_a_hedge_counts_at_both_endpoints_until_each_has_ended() -> None:
    brain = new_brain(names=("gold",))
    first, second = endpoints("gold")
    brain.decide(arrived())
    brain.observe(Sent(0.0, "r0", first))
    brain.observe(Sent(0.2, "r0", second))
    assert (brain.in_flight(first), brain.in_flight(second)) == (1, 1)
    brain.observe(Ended(0.5, "r0", second, 3, 3, True, 200))
    assert (brain.in_flight(first), brain.in_flight(second)) == (1, 0)
    brain.observe(Ended(0.5, "r0", first, 0, 0, False, 499))
    assert brain.in_flight(first) == 0


def test_a_replica_that_leaves_its_tier_keeps_its_count_until_its_requests_have_ended() -> None:
    brain = new_brain(names=("gold",))
    first, second = endpoints("gold")
    brain.decide(arrived())
    brain.observe(Sent(0.0, "r0", first))
    brain.observe(Endpoints(0.1, "gold", (second,)))
    assert brain.in_flight(first) == 1
    brain.observe(Ended(0.2, "r0", first, 3, 3, True, 200))
    assert brain.in_flight(first) == 0
    assert first not in brain.fleet.endpoints


def test_memory_is_bounded_by_requests_that_are_never_sent() -> None:
    from goldsmith.serving.routing import requests as module

    brain = new_brain(names=("gold",), budget_usd_per_hour=100.0)
    for number in range(module.OPEN_MOST + 500):
        brain.decide(arrived(number, 0.0))
    kept = brain.budget.spent_usd / brain.decide(arrived(10**6)).price_usd
    assert module.OPEN_MOST - 1 <= round(kept) <= module.OPEN_MOST + 1
