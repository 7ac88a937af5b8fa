"""What the router may spend, and what a saved dollar is worth."""

from __future__ import annotations

import random

import pytest

from goldsmith.serving.routing.duals import OVERDRAFT_H, Budget, MissPrice, miss_share
from goldsmith.serving.routing.events import Ended, Judged, Sent
from tests.fixtures.routing import answer, arrived, new_brain

FLOOR, HOURS, GAP_S = 0.9, 6, 5.0
BRONZE_USD = (100 * 5 + 64 * 20) / 1e6


def test_spending_follows_a_budget_that_binds() -> None:
    """Bronze alone is at the floor; the budget pays for half of it."""
    budget = 0.5 * BRONZE_USD * 3600 / GAP_S
    brain = new_brain(min_quality=FLOOR, budget_usd_per_hour=budget, exploration=0.0)
    count = int(HOURS * 3600 / GAP_S)
    reasons = [
        answer(brain, arrived(number, number * GAP_S), tokens_out=64).reason
        for number in range(count)
    ]
    assert brain.budget.spent_usd == pytest.approx(HOURS * budget, rel=0.01)
    assert set(reasons) == {"cheapest", "budget"}


def test_the_quality_that_costs_most_to_keep_is_given_up_first() -> None:
    """Of two kinds of prompts, gold is nearly good enough for one only."""
    budget = 0.5 * BRONZE_USD * 3600 / GAP_S
    brain = new_brain(min_quality=FLOOR, budget_usd_per_hour=budget, exploration=0.0)
    draw = random.Random(0)
    near, far = tuple(range(12)), tuple(range(100, 112))
    for number in range(400):
        features, truth = (near, 0.88) if number % 2 else (far, 0.2)
        request = arrived(number, -5000.0 + number, tiers=("gold",), text_features=features)
        answer(brain, request, tokens_out=64)
        brain.observe(Judged(request.at, request.request_id, float(draw.random() < truth)))
    cheap = {near: 0, far: 0}
    for number in range(2000):
        features = near if number % 2 else far
        request = arrived(1000 + number, number * GAP_S, text_features=features)
        cheap[features] += answer(brain, request, tokens_out=64).reason == "budget"
    assert cheap[near] > 4 * cheap[far]


def test_a_slack_budget_changes_nothing() -> None:
    brain = new_brain(min_quality=FLOOR, budget_usd_per_hour=1000.0, exploration=0.0)
    assert {answer(brain, arrived(n, n * 1.0)).reason for n in range(100)} == {"cheapest"}


def test_an_own_floor_is_not_given_up_for_the_budget_but_refused_when_it_is_spent() -> None:
    budget = 0.1 * BRONZE_USD * 3600
    brain = new_brain(budget_usd_per_hour=budget)
    decisions = [
        answer(brain, arrived(n, n * 1.0, min_quality=FLOOR), tokens_out=64) for n in range(2000)
    ]
    assert {decision.tier for decision in decisions} == {"bronze", ""}
    refused = [decision for decision in decisions if not decision.tier]
    assert {decision.reason for decision in refused} == {"budget"}
    assert all(decision.retry_after_s >= 1.0 for decision in refused)
    overdraft = brain.budget.spent_usd - budget * 2000 / 3600
    assert overdraft <= OVERDRAFT_H * budget + BRONZE_USD


def test_explicit_tiers_are_outside_the_budget() -> None:
    brain = new_brain(budget_usd_per_hour=1e-9)
    for number in range(50):
        decision = answer(brain, arrived(number, float(number), tiers=("bronze",)))
        assert decision.reason == "explicit"
    assert brain.budget.spent_usd == 0.0


def test_a_failed_request_and_its_retry_are_paid_once() -> None:
    brain = new_brain(budget_usd_per_hour=10.0, names=("bronze",))
    first = brain.decide(arrived())
    brain.observe(Sent(0.0, "r0", first.endpoint))
    assert brain.budget.spent_usd == pytest.approx(first.price_usd)
    brain.observe(Ended(0.1, "r0", first.endpoint, 0, 0, False, 502))
    assert brain.budget.spent_usd == pytest.approx(0.0)
    again = answer(brain, arrived(at=0.2, excluded=(first.endpoint,)), tokens_out=64)
    assert again.endpoint != first.endpoint
    assert brain.budget.spent_usd == pytest.approx(BRONZE_USD)


def test_at_most_an_hour_of_unspent_money_is_carried() -> None:
    budget = Budget(3.6)
    budget.price(0.0)
    budget.price(86_400.0)
    budget.spend(3.6 + 0.01)
    assert budget.price(86_400.0) > 0.0


def test_no_budget_has_no_price_and_no_end() -> None:
    budget = Budget(0.0)
    budget.spend(1e9)
    assert (budget.price(5.0), budget.retry_after_s()) == (0.0, 0.0)


def test_misses_have_a_price_while_more_than_one_in_a_hundred_is_late() -> None:
    price = MissPrice()
    price.charged(0.002)
    for number in range(1000):
        price.learn(missed=number % 200 == 0)
    assert price.usd() < 0.02
    for number in range(100):
        price.learn(missed=number % 5 == 0)
    assert price.usd() > 0.2


def test_the_share_of_misses_is_one_percent_at_the_slo() -> None:
    assert miss_share(200.0, 200.0) == pytest.approx(0.01)
    assert miss_share(100.0, 200.0) < 0.01 < miss_share(400.0, 200.0)
    assert miss_share(1e9, 1.0) == 1.0
    assert miss_share(100.0, 0.0) == 0.0


def test_a_hedge_is_paid_by_the_budget_of_its_request() -> None:
    brain = new_brain(budget_usd_per_hour=10.0, names=("bronze",))
    first = brain.decide(arrived())
    brain.observe(Sent(0.0, "r0", first.endpoint))
    hedge = brain.decide(arrived(at=0.5, tiers=("bronze",), excluded=(first.endpoint,)))
    brain.observe(Sent(0.5, "r0", hedge.endpoint))
    brain.observe(Ended(1.0, "r0", hedge.endpoint, 64, 100, True, 200))
    brain.observe(Ended(1.0, "r0", first.endpoint, 0, 100, False, 499))
    assert brain.budget.spent_usd == pytest.approx(BRONZE_USD + 100 * 5 / 1e6)
