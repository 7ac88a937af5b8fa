"""When a replica is left alone, and for how long."""

from __future__ import annotations

import random

from goldsmith.serving.router.breakers import CONSECUTIVE, FIRST_S, WINDOW, Breaker


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(CONSECUTIVE):
        breaker.failed()
    assert breaker.is_open
    return breaker


def test_it_opens_at_the_last_of_so_many_failures_in_a_row() -> None:
    breaker = Breaker()
    said = [breaker.failed() for _ in range(CONSECUTIVE)]
    assert said == [False] * (CONSECUTIVE - 1) + [True]


def test_it_opens_at_half_failures_that_are_not_in_a_row() -> None:
    breaker, rng = Breaker(), random.Random(0)
    for _ in range(WINDOW):
        breaker.succeeded()
    while not breaker.is_open:
        breaker.succeeded() if rng.random() < 0.5 else breaker.failed()
    assert breaker.recent.count(False) * 2 >= len(breaker.recent) or breaker.consecutive == 3


def test_it_stays_open_whatever_was_sent_before() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.is_open
    assert not breaker.failed()  # it is open already


def test_a_good_trial_closes_it_and_the_next_failure_opens_it() -> None:
    breaker = opened()
    breaker.tried(well=True)
    assert not breaker.is_open
    for _ in range(WINDOW - 1):
        breaker.succeeded()
    assert breaker.failed()
    assert breaker.wait_s == 2 * FIRST_S


def test_each_bad_trial_doubles_the_time() -> None:
    breaker, waits = opened(), []
    for _ in range(7):
        waits.append(breaker.wait_s)
        breaker.tried(well=False)
        assert breaker.is_open
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_probation_is_over_after_some_whole_answers() -> None:
    breaker = opened()
    breaker.tried(well=True)
    for _ in range(WINDOW):
        breaker.succeeded()
    assert not breaker.failed()
    assert breaker.wait_s == FIRST_S


def test_one_that_cannot_be_spared_has_no_probation() -> None:
    breaker = opened()
    breaker.tried(well=True)
    breaker.acquit()
    assert not breaker.failed()
    assert breaker.wait_s == FIRST_S
