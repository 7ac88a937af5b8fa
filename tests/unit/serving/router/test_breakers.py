"""When a replica is left alone, and for how long."""

from __future__ import annotations

import random

from goldsmith.serving.router.breakers import CONSECUTIVE, FIRST_S, WINDOW, Breaker


def open_again(breaker: Breaker) -> Breaker:
    for _ in range(CONSECUTIVE):
        breaker.failed()
    assert breaker.is_open
    return breaker


def opened() -> Breaker:
    return open_again(Breaker())


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


def test_a_good_trial_closes_it() -> None:
    breaker = opened()
    breaker.tried(well=True)
    assert not breaker.is_open
    assert not breaker.failed()  # it counts from the start


def test_each_bad_trial_doubles_the_time() -> None:
    breaker, waits = opened(), []
    for _ in range(7):
        waits.append(breaker.wait_s)
        breaker.tried(well=False)
        assert breaker.is_open
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_one_that_opens_again_at_once_waits_longer() -> None:
    breaker = opened()
    breaker.tried(well=True)
    assert open_again(breaker).wait_s == 2 * FIRST_S
    breaker.tried(well=True)
    assert open_again(breaker).wait_s == 4 * FIRST_S


def test_the_time_is_short_again_after_some_whole_answers() -> None:
    breaker = opened()
    breaker.tried(well=True)
    for _ in range(WINDOW):
        breaker.succeeded()
    assert open_again(breaker).wait_s == FIRST_S
