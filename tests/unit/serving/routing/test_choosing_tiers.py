"""Which tier a request goes to, and when it goes nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from goldsmith.serving.routing.events import Adapters, Ended, Health, Judged, Sent
from tests.fixtures.routing import answer, arrived, endpoints, new_brain


def test_the_cheapest_tier_that_meets_everything_is_chosen() -> None:
    decision = new_brain().decide(arrived())
    assert (decision.tier, decision.reason, decision.degraded) == ("gold", "cheapest", False)
    assert len(decision.assessments) == 3


def test_an_explicit_tier_is_assessed_alone() -> None:
    decision = new_brain().decide(arrived(tiers=("silver",)))
    assert (decision.tier, decision.reason) == ("silver", "explicit")
    assert [found.tier for found in decision.assessments] == ["silver"]


def test_only_the_named_tiers_are_candidates() -> None:
    decision = new_brain().decide(arrived(tiers=("silver", "bronze")))
    assert decision.tier == "silver"


@pytest.mark.parametrize(
    ("floor", "tier"),
    [pytest.param(0.5, "gold"), pytest.param(0.7, "silver"), pytest.param(0.9, "bronze")],
)
def test_a_floor_excludes_tiers_that_are_believed_worse(floor: float, tier: str) -> None:
    assert new_brain().decide(arrived(min_quality=floor)).tier == tier
    assert new_brain(min_quality=floor).decide(arrived()).tier == tier


def test_the_requests_own_floor_replaces_the_configured_one() -> None:
    assert new_brain(min_quality=0.9).decide(arrived(min_quality=0.1)).tier == "gold"


def test_a_tier_that_would_be_late_is_left_out() -> None:
    decision = new_brain(tier={"prefill_tokens_per_s": 1000}).decide(
        arrived(tokens_in=400, tiers=("gold", "bronze"))
    )
    assert decision.tier == "bronze"
    assert decision.assessments[0].misses == ("slo",)


def test_an_async_request_has_no_slo() -> None:
    decision = new_brain().decide(arrived(klass="async", tokens_in=4000))
    assert (decision.tier, decision.degraded) == ("gold", False)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"tokens_in": 9000}, "context_exceeded", id="prompt"),
        pytest.param({"tokens_in": 8000, "max_tokens": 500}, "context_exceeded", id="answer"),
        pytest.param({"max_cost_usd": 1e-9}, "max_cost", id="cost"),
        pytest.param({"adapter": "chef--0123456789ab"}, "unknown_adapter", id="adapter"),
    ],
)
@pytest.mark.parametrize("tiers", [(), ("gold",)], ids=["auto", "explicit"])
def test_what_no_tier_can_take_is_refused(
    fields: dict[str, Any], reason: str, tiers: tuple[str, ...]
) -> None:
    brain = new_brain()
    decision = brain.decide(arrived(tiers=tiers, **fields))
    assert (decision.tier, decision.endpoint, decision.reason) == ("", "", reason)
    assert decision.retry_after_s == 0.0


def test_an_unknown_tier_is_refused() -> None:
    assert new_brain(names=("gold",)).decide(arrived(tiers=("bronze",))).reason == "unknown_tier"


def test_the_longest_answer_counts_against_the_own_limit_of_cost() -> None:
    brain = new_brain(names=("gold",))
    longest = 100 * 0.1e-6 + 64 * 0.4e-6
    assert brain.decide(arrived(0, max_cost_usd=longest * 1.001)).tier == "gold"
    assert brain.decide(arrived(1, max_cost_usd=longest * 0.999)).reason == "max_cost"


def test_nothing_healthy_is_refused_with_a_time_to_come_back() -> None:
    brain = new_brain()
    for tier in ("gold", "silver", "bronze"):
        for url in endpoints(tier):
            brain.observe(Health(0.0, url, False))
    decision = brain.decide(arrived())
    assert decision.reason == "no_healthy_endpoint"
    assert decision.retry_after_s > 0
    brain.observe(Health(1.0, endpoints("bronze")[1], True))
    assert brain.decide(arrived(1, at=1.0)).endpoint == endpoints("bronze")[1]


def test_an_adapter_whose_replicas_are_down_is_away_and_not_unknown() -> None:
    brain = new_brain(names=("gold",))
    for url in endpoints("gold"):
        brain.observe(Adapters(0.0, url, ("chef--1",)))
        brain.observe(Adapters(1.0, url, ()))
    decision = brain.decide(arrived(at=2.0, adapter="chef--1"))
    assert decision.reason == "no_healthy_endpoint"
    assert decision.retry_after_s > 0


def test_quality_is_given_up_before_an_slo_that_the_request_set() -> None:
    decision = new_brain().decide(arrived(min_quality=0.99, slo_ttft_ms=300.0))
    assert (decision.tier, decision.reason) == ("bronze", "degraded_quality")
    assert decision.degraded


def test_an_own_floor_is_kept_before_an_slo_that_nobody_asked_for() -> None:
    brain = new_brain(names=("gold", "bronze"), tier={"prefill_tokens_per_s": 1000})
    # gold would be in time for 200 tokens; bronze, at 1000 tokens/s too, is not for 1200
    decision = brain.decide(arrived(min_quality=0.9, tokens_in=1200))
    assert (decision.tier, decision.reason, decision.degraded) == ("bronze", "degraded_slo", True)


def test_tiers_degrade_in_the_declared_order() -> None:
    late = arrived(tokens_in=4000)
    assert new_brain().decide(late).tier == "bronze"
    assert new_brain(order=("silver", "gold", "bronze")).decide(late).tier == "silver"


def test_a_tier_whose_queue_is_longer_than_its_slo_does_not_get_more() -> None:
    brain = new_brain(replicas=1, tier={"slots": 1, "decode_tokens_per_s": 20})
    for number in range(4):
        request = arrived(number, tiers=("bronze",))
        brain.observe(Sent(0.0, request.request_id, brain.decide(request).endpoint))
    late = brain.decide(arrived(9, tokens_in=4000))
    assert (late.tier, late.reason) == ("silver", "degraded_slo")
    assert "queue" in late.assessments[2].misses


def test_a_queue_beyond_the_first_byte_timeout_is_refused_with_a_time_to_come_back() -> None:
    brain = new_brain(
        replicas=1,
        names=("gold",),
        tier={"slots": 1, "decode_tokens_per_s": 20},
        first_byte_timeout_ms=5000,
    )
    reasons = []
    for number in range(9):
        request = arrived(number, tiers=("gold",))
        decision = brain.decide(request)
        reasons.append(decision.reason)
        if decision.tier:
            brain.observe(Sent(0.0, request.request_id, decision.endpoint))
    assert reasons[0] == "explicit"
    assert reasons[-1] == "overloaded"
    assert decision.retry_after_s >= 1.0
    assert "degraded_slo" in reasons


def test_bad_verdicts_move_requests_of_that_kind_to_a_better_tier() -> None:
    brain = new_brain(min_quality=0.5, exploration=0.0)
    easy, hard = tuple(range(12)), tuple(range(100, 112))
    for number in range(600):
        features, good = (easy, 1.0) if number % 2 else (hard, 0.0)
        request = arrived(number, number, text_features=features)
        if answer(brain, request).tier == "gold":
            brain.observe(Judged(number + 0.5, request.request_id, good))
    assert brain.decide(arrived(1000, 601.0, text_features=easy)).tier == "gold"
    assert brain.decide(arrived(1001, 601.0, text_features=hard)).tier == "silver"


def test_exploration_is_bounded_and_the_same_every_time() -> None:
    def explored() -> list[int]:
        brain = new_brain(exploration=0.02)
        return [
            number
            for number in range(2000)
            if answer(brain, arrived(number, number * 1.0)).reason == "exploration"
        ]

    assert 20 <= len(explored()) <= 41
    assert explored() == explored()
    assert not any(
        answer(brain, arrived(number, number * 1.0)).reason == "exploration"
        for brain in [new_brain(exploration=0.0)]
        for number in range(500)
    )


def test_exploration_does_not_go_below_a_floor_that_the_request_set() -> None:
    brain = new_brain(exploration=0.5)
    for number in range(300):
        decision = answer(brain, arrived(number, number * 1.0, min_quality=0.7))
        assert decision.tier in ("silver", "bronze")


def test_misses_get_a_price_that_a_tier_with_more_slack_is_worth() -> None:
    brain = new_brain(names=("gold", "silver"), exploration=0.0)
    tight = {"tiers": ("gold", "silver"), "slo_ttft_ms": 400.0}
    assert brain.decide(arrived(0, **tight)).tier == "gold"
    assert brain.miss_price.usd() == 0.0
    for number in range(1, 40):
        answer(brain, arrived(number, number * 2.0, **tight), ttft_s=0.5)
    assert brain.miss_price.usd() > 0.0
    gold, silver = brain.decide(arrived(99, 99.0, **tight)).assessments
    assert gold.cost > gold.price_usd
    assert silver.cost > silver.price_usd


def test_failures_teach_no_speed() -> None:
    brain = new_brain(names=("gold",))
    before = brain.decide(arrived(0)).predicted_ttft_ms
    for number in range(1, 30):
        request = arrived(number, float(number))
        decision = brain.decide(request)
        brain.observe(Sent(request.at, request.request_id, decision.endpoint))
        brain.observe(
            Ended(request.at + 0.001, request.request_id, decision.endpoint, 0, 0, False, 500)
        )
    assert brain.decide(arrived(99, 99.0)).predicted_ttft_ms == before
