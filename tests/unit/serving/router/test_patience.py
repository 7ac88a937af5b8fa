"""When a whole answer is sent to a second replica, suspected, and given up."""

from __future__ import annotations

import math
from typing import Any

import pytest

from goldsmith.config.serving import validate_serving
from goldsmith.serving.router.aliases import Aliases
from goldsmith.serving.router.ask import Ask, Reader
from goldsmith.serving.router.credentials import Caller
from goldsmith.serving.router.hints import NO_HINTS
from goldsmith.serving.router.patience import ENOUGH, Patience, Times
from goldsmith.serving.router.replica import CHAT_PATH
from goldsmith.serving.routing.decision import Decision
from tests.fixtures.serving import serving_values

DECISION = Decision("r", "gold", "http://a", "explicit", 50.0, 0.0, 0.5, False, 0.0, ())


def ask(**fields: Any) -> Ask:
    """A request for a whole answer."""
    body = {"model": "gold", "messages": [{"role": "user", "content": "look"}], **fields}
    reader = Reader(("gold",), Aliases())
    return reader.read(body, caller=Caller("t"), path=CHAT_PATH, hints=NO_HINTS, started=0.0)


def times(
    request: Ask, *, seconds: float, answers: int = ENOUGH, hedge_share: float = 0.05
) -> Times:
    """After so many answers of 9 tokens that each took so long."""
    values = serving_values({"gold": ["http://a"]}, router={"hedge_share": hedge_share})
    patience = Patience(validate_serving(values))
    for _ in range(answers):
        patience.learn("gold", seconds, 9)
    return patience.times(request, DECISION)


def test_a_whole_answer_is_hedged_before_it_is_overdue() -> None:
    found = times(ask(), seconds=0.4)
    assert found.hedge_s == pytest.approx(0.6)
    assert found.overdue_s == pytest.approx(1.2)
    assert found.give_up_s > 30


def test_a_longer_answer_may_take_longer() -> None:
    assert times(ask(max_tokens=99), seconds=0.4).hedge_s == pytest.approx(6.0)


def test_quick_answers_are_not_hedged_at_once() -> None:
    assert times(ask(), seconds=0.01)[:2] == (0.25, 0.5)


def test_nothing_is_hedged_before_answers_are_known_or_where_it_is_off() -> None:
    assert times(ask(), seconds=0.4, answers=ENOUGH - 1)[:2] == (math.inf, math.inf)
    assert times(ask(), seconds=0.4, hedge_share=0.0).hedge_s == math.inf
