"""Which replica of a tier a request goes to."""

from __future__ import annotations

import pytest

from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.events import (
    Adapters,
    Ended,
    Endpoints,
    FirstByte,
    Health,
    Load,
    Sent,
    Weight,
)
from tests.fixtures.routing import arrived, endpoints, new_brain, routing_config

A, B = endpoints("gold")


def gold_brain(**settings: object) -> Brain:
    return new_brain(names=("gold",), **settings)


def chosen(brain: Brain, number: int = 900, at: float = 0.0, **fields: object) -> str:
    return brain.decide(arrived(number, at, **fields)).endpoint


def send(brain: Brain, number: int, endpoint: str, at: float = 0.0, **fields: object) -> None:
    brain.decide(arrived(number, at, **fields))
    brain.observe(Sent(at, f"r{number}", endpoint))


def test_equals_go_by_name() -> None:
    assert chosen(gold_brain()) == A


def test_the_replica_with_less_to_do_is_chosen() -> None:
    brain = gold_brain()
    send(brain, 0, A)
    assert chosen(brain) == B


def test_long_prompts_weigh_more_than_many_short_ones() -> None:
    brain = gold_brain()
    send(brain, 0, A, tokens_in=3000)
    for number in range(1, 4):
        send(brain, number, B, tokens_in=10)
    assert chosen(brain) == B


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Health(0.0, A, False), id="unhealthy"),
        pytest.param(Weight(0.0, A, 0.0), id="drained"),
        pytest.param(Endpoints(0.0, "gold", (B,)), id="gone"),
    ],
)
def test_a_replica_that_may_not_be_used_is_not(event: Health | Weight | Endpoints) -> None:
    brain = gold_brain()
    brain.observe(event)
    for number in range(9):
        send(brain, number, B)
    assert chosen(brain) == B


def test_a_replica_that_was_tried_is_not_tried_again() -> None:
    brain = gold_brain()
    assert chosen(brain, excluded=(A,)) == B
    assert brain.decide(arrived(2, excluded=(A, B))).reason == "no_healthy_endpoint"


def test_a_request_goes_where_its_adapter_is() -> None:
    brain = gold_brain()
    brain.observe(Adapters(0.0, B, ("chef--1",)))
    send(brain, 0, B)
    assert chosen(brain, adapter="chef--1") == B
    assert chosen(brain) == A


def test_a_small_weight_gets_a_small_share() -> None:
    brain = gold_brain()
    brain.observe(Weight(0.0, A, 0.25))
    for number in range(100):
        decision = brain.decide(arrived(number, number * 0.001))
        brain.observe(Sent(number * 0.001, f"r{number}", decision.endpoint))
    assert 5 <= brain.in_flight(A) < 40


def test_a_hanging_replica_is_avoided_though_the_other_has_more_to_do() -> None:
    brain = gold_brain()
    send(brain, 0, A)
    for number in range(1, 4):
        send(brain, number, B)
        brain.observe(FirstByte(0.05, f"r{number}", B))
    assert chosen(brain, at=0.06) == A
    assert chosen(brain, at=5.0) == B


def test_a_slow_replica_gets_fewer_requests() -> None:
    brain = gold_brain(replicas=2)
    counts = {A: 0, B: 0}
    for number in range(400):
        at = number * 0.5
        request = arrived(number, at)
        endpoint = brain.decide(request).endpoint
        counts[endpoint] += 1
        first = at + (0.6 if endpoint == A else 0.06)
        brain.observe(Sent(at, request.request_id, endpoint))
        brain.observe(FirstByte(first, request.request_id, endpoint))
        brain.observe(Ended(first + 0.1, request.request_id, endpoint, 8, 100, True, 200))
    assert counts[B] > 5 * counts[A] > 0


def test_requests_of_other_routers_are_seen_in_the_engines_own_figures() -> None:
    brain = gold_brain()
    brain.observe(Load(0.0, A, running=12, waiting=0, kv_use=0.4))
    assert chosen(brain, at=0.1) == B
    lone = gold_brain(replicas=1)
    idle = lone.decide(arrived(0)).predicted_ttft_ms
    lone.observe(Load(0.0, A, running=16, waiting=8, kv_use=0.5))
    busy = lone.decide(arrived(1, 0.1)).predicted_ttft_ms
    stale = lone.decide(arrived(2, 600.0)).predicted_ttft_ms
    assert idle < stale < busy


def test_an_engine_whose_memory_is_full_has_no_free_slot() -> None:
    brain = gold_brain(replicas=1)
    for number in range(4):
        send(brain, number, A)
        brain.observe(FirstByte(0.05, f"r{number}", A))
    roomy = brain.decide(arrived(8, 0.2)).predicted_ttft_ms
    brain.observe(Load(0.1, A, running=4, waiting=0, kv_use=0.99))
    full = brain.decide(arrived(9, 0.2)).predicted_ttft_ms
    assert full > 2 * roomy


def test_dns_names_are_no_replicas_until_they_are_resolved() -> None:
    config = routing_config(names=("gold",), tier={"endpoints": ["dns://gold:8000"]})
    brain = Brain(config)
    assert brain.decide(arrived()).reason == "no_healthy_endpoint"
    brain.observe(Endpoints(1.0, "gold", ("http://10.0.0.1:8000",)))
    assert chosen(brain, at=1.0) == "http://10.0.0.1:8000"


def test_a_replica_that_comes_back_starts_anew() -> None:
    brain = gold_brain()
    brain.observe(Health(0.0, A, False))
    brain.observe(Endpoints(1.0, "gold", (B,)))
    brain.observe(Endpoints(2.0, "gold", (A, B)))
    assert chosen(brain, at=2.0) == A


def test_a_replica_may_serve_two_tiers() -> None:
    config = routing_config(names=("gold", "silver"), tier={"endpoints": ["http://one:8000"]})
    brain = Brain(config)
    for number, tier in enumerate(("gold", "silver")):
        request = arrived(number, tiers=(tier,))
        brain.observe(Sent(0.0, request.request_id, brain.decide(request).endpoint))
    one = "http://one:8000"
    assert (brain.in_flight(one), brain.in_flight(one, "gold")) == (2, 1)
