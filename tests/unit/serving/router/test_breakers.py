"""When a replica is left alone, and how it comes back."""

from __future__ import annotations

import random

from goldsmith.serving.router.breakers import CONSECUTIVE, FIRST_S, WINDOW, Breaker


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(CONSECUTIVE):
        breaker.sent()
        breaker.failed(0.0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = opened()
    assert not breaker.closed
    assert not breaker.may_try(FIRST_S / 2)


def test_it_opens_at_half_failures_that_are_not_in_a_row() -> None:
    breaker, rng = Breaker(), random.Random(0)
    for _ in range(WINDOW):
        breaker.succeeded()
    while breaker.closed:
        breaker.succeeded() if rng.random() < 0.5 else breaker.failed(0.0)
    assert breaker.recent.count(False) * 2 >= len(breaker.recent) or breaker.consecutive == 3


def test_half_open_lets_one_request_through() -> None:
    breaker = opened()
    assert breaker.may_try(FIRST_S)
    breaker.sent()
    assert not breaker.may_try(FIRST_S)


def test_a_good_trial_closes_it() -> None:
    breaker = opened()
    breaker.sent()
    assert breaker.succeeded()
    assert breaker.closed
    assert breaker.may_try(0.0)


def test_each_bad_trial_doubles_the_time() -> None:
    breaker, now = opened(), 0.0
    for wait_s in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        assert not breaker.may_try(now + wait_s - 0.01)
        now += wait_s
        assert breaker.may_try(now)
        breaker.sent()
        breaker.failed(now)


def test_a_cancelled_trial_proves_nothing() -> None:
    breaker = opened()
    breaker.sent()
    breaker.cancelled()
    assert not breaker.closed
    assert breaker.may_try(FIRST_S)
