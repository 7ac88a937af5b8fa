"""What a key and a tenant may use."""

from __future__ import annotations

import random

import pytest

from goldsmith.config.serving import BudgetSettings
from goldsmith.serving.router.limits import NOTHING, Allowance, Amount, admit
from goldsmith.serving.router.refusal import Refusal


class Clock:
    """A day that passes when told."""

    def __init__(self) -> None:
        self.now = 86_400.0 * 100

    def __call__(self) -> float:
        return self.now


def test_requests_a_minute_hold_within_two_percent() -> None:
    allowance = Allowance(BudgetSettings(requests_per_minute=300), 0.0)
    rng, now, taken = random.Random(0), 0.0, 0
    while now < 3600:
        now += rng.expovariate(20)
        try:
            admit((allowance,), Amount(10, 0), now)
        except Refusal:
            continue
        taken += 1
    assert taken == pytest.approx(300 * 61, rel=0.02)  # a full bucket at the start


def test_tokens_that_were_not_used_are_given_back() -> None:
    allowance = Allowance(BudgetSettings(tokens_per_minute=1000), 0.0)
    admit((allowance,), Amount(900, 0), 0.0)
    with pytest.raises(Refusal):
        admit((allowance,), Amount(900, 0), 0.0)
    allowance.settle(Amount(900, 0), Amount(50, 0))
    admit((allowance,), Amount(900, 0), 0.0)


def test_one_request_may_be_larger_than_the_bucket_and_is_paid_off() -> None:
    allowance = Allowance(BudgetSettings(tokens_per_minute=600), 0.0)
    admit((allowance,), Amount(1200, 0), 0.0)
    with pytest.raises(Refusal) as caught:
        admit((allowance,), Amount(1, 0), 1.0)
    assert caught.value.retry_after_s == pytest.approx(59.1, abs=0.1)


def test_a_refused_request_takes_nothing_from_the_other_limit() -> None:
    key = Allowance(BudgetSettings(requests_per_minute=60), 0.0)
    tenant = Allowance(BudgetSettings(requests_per_minute=1), 0.0)
    admit((key, tenant), NOTHING, 0.0)
    for _ in range(200):
        with pytest.raises(Refusal):
            admit((key, tenant), NOTHING, 0.0)
    assert key.requests is not None
    assert key.requests.level == 59


def test_the_day_s_budget_is_passed_by_one_request_at_most() -> None:
    allowance = Allowance(BudgetSettings(usd_per_day=1.0), 0.0, clock=Clock())
    rng, running, spent = random.Random(1), [], 0.0
    for _ in range(500):
        usd = rng.uniform(0.01, 0.2)
        try:
            admit((allowance,), Amount(0, usd), 0.0)
            running.append(usd)
        except Refusal as refusal:
            assert refusal.code == "budget_exhausted"
        if running and rng.random() < 0.5:
            reserved = running.pop(0)
            used = reserved * rng.uniform(0, 1)
            allowance.settle(Amount(0, reserved), Amount(0, used))
            spent += used
    spent += sum(running)
    assert spent <= 1.0 + 0.2


def test_a_new_day_begins_with_nothing_spent() -> None:
    clock = Clock()
    allowance = Allowance(BudgetSettings(usd_per_day=1.0), 0.0, clock=clock)
    allowance.settle(NOTHING, Amount(0, 2.0))
    with pytest.raises(Refusal) as caught:
        admit((allowance,), NOTHING, 0.0)
    assert caught.value.retry_after_s == 86_400
    clock.now += 86_400
    admit((allowance,), NOTHING, 0.0)
