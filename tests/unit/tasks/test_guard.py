"""A domain plug-in that raises or hangs becomes one DomainError with its name and its work."""

import signal
import threading

import pytest

from goldsmith.errors import ConfigError, DomainError
from goldsmith.tasks.guard import Guard


def spin():
    while True:
        try:
            threading.get_ident()
        except Exception:
            continue


def test_an_answer_passes_through():
    assert Guard("toy", "task t1", 5.0).call(max, 1, 2) == 2


def test_a_hang_is_ended_and_named():
    with pytest.raises(DomainError, match=r"domain toy on task t1 hangs: no answer within 0.05 s"):
        Guard("toy", "task t1", 0.05).call(spin)


def test_the_budget_is_for_all_calls_together():
    guard = Guard("toy", "task t1", 0.05)
    with pytest.raises(DomainError, match="hangs"):
        guard.call(spin)
    assert guard.left_s < 0.05


def test_an_exception_is_named_with_its_own_words():
    with pytest.raises(DomainError, match=r"domain toy on task t1 raised: ValueError: invalid"):
        Guard("toy", "task t1", 5.0).call(int, "x")


def test_our_own_errors_travel_as_they_are():
    def refuse():
        raise ConfigError("level")

    with pytest.raises(ConfigError):
        Guard("toy", "task t1", 5.0).call(refuse)


def test_no_alarm_is_left_behind():
    handler = signal.getsignal(signal.SIGALRM)
    Guard("toy", "task t1", 5.0).call(max, 1, 2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is handler
