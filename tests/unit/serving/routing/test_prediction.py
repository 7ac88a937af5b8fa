"""What is predicted of the first token, and what is learned from it."""

from __future__ import annotations

import random

import pytest

from goldsmith.serving.routing.events import Ended, FirstByte, Sent
from goldsmith.serving.routing.service import Service
from tests.fixtures.routing import answer, arrived, new_brain, routing_config


def service() -> Service:
    return Service(routing_config(names=("gold",)).tiers["gold"])


@pytest.mark.parametrize("noise", [0.1, 0.4, 1.0])
def test_one_first_token_in_a_hundred_is_later_than_predicted(noise: float) -> None:
    draw, found, late = random.Random(0), service(), 0
    for number in range(12_000):
        seconds = 0.1 * draw.lognormvariate(0.0, noise)
        late += number >= 2000 and seconds > 0.1 * found.factor
        found.learn_factor(seconds, 0.1)
    assert 0.007 <= late / 10_000 <= 0.013


def test_the_factor_follows_a_slowdown_within_fifty_requests() -> None:
    draw, found = random.Random(0), service()
    for _ in range(3000):
        found.learn_factor(0.1 * draw.lognormvariate(0.0, 0.2), 0.1)
    late = 0
    for number in range(150):
        seconds = 0.3 * draw.lognormvariate(0.0, 0.2)
        late += number >= 50 and seconds > 0.1 * found.factor
        found.learn_factor(seconds, 0.1)
    assert late <= 5


def test_a_wrong_first_guess_of_the_speed_is_unlearned() -> None:
    draw = random.Random(0)
    brain = new_brain(names=("gold",), tier={"prefill_tokens_per_s": 500})
    for number in range(400):
        tokens = draw.choice((50, 200, 800, 2000))
        truth = 0.02 + tokens / 8000
        answer(brain, arrived(number, number * 9.0, tokens_in=tokens, klass="async"), ttft_s=truth)
    found = brain.fleet.tiers["gold"].service
    assert found.s_per_token == pytest.approx(1 / 8000, rel=0.25)
    assert found.overhead_s == pytest.approx(0.02, rel=0.4)


def test_the_length_of_answers_is_learned_for_the_price() -> None:
    brain = new_brain(names=("gold",))
    before = brain.decide(arrived(0, max_tokens=2000)).price_usd
    for number in range(1, 200):
        answer(brain, arrived(number, number * 9.0, max_tokens=2000), tokens_out=1000)
    after = brain.decide(arrived(999, 9999.0, max_tokens=2000)).price_usd
    assert after > 3 * before
    assert after == pytest.approx((100 * 0.1 + 1000 * 0.4) / 1e6, rel=0.1)


def test_an_answer_in_one_piece_teaches_nothing_about_first_tokens() -> None:
    brain = new_brain(names=("gold",))
    before = brain.decide(arrived(0)).predicted_ttft_ms
    for number in range(1, 50):
        answer(brain, arrived(number, number * 9.0, stream=False), ttft_s=2.0, decode_s=0.0)
    assert brain.decide(arrived(99, 999.0)).predicted_ttft_ms == pytest.approx(before)
    assert brain.miss_price.usd() == 0.0


def test_a_full_replica_has_a_queue_that_grows_with_every_request() -> None:
    brain = new_brain(names=("gold",), replicas=1, tier={"slots": 2})
    waits = []
    for number in range(6):
        decision = brain.decide(arrived(number, tiers=("gold",)))
        waits.append(decision.predicted_ttft_ms)
        brain.observe(Sent(0.0, f"r{number}", decision.endpoint))
    assert waits == sorted(waits)
    assert waits[4] - waits[3] > 200
    endpoint = decision.endpoint
    brain.observe(FirstByte(0.06, "r0", endpoint))
    before = brain.decide(arrived(7, 1.0, tiers=("gold",))).predicted_ttft_ms
    brain.observe(Ended(1.0, "r0", endpoint, 32, 100, True, 200))
    assert brain.decide(arrived(8, 1.0, tiers=("gold",))).predicted_ttft_ms < before - 200


def test_clocks_that_step_back_do_no_harm() -> None:
    brain = new_brain(names=("gold",), budget_usd_per_hour=5.0)
    for number, at in enumerate((100.0, 50.0, 1e9, 0.0)):
        decision = answer(brain, arrived(number, at), ttft_s=-5.0, decode_s=-1.0)
        assert decision.predicted_ttft_ms > 0.0


def test_answers_in_one_piece_that_take_long_do_not_make_a_replica_look_hung() -> None:
    brain = new_brain(names=("gold",), replicas=1)
    alone = brain.decide(arrived(0)).predicted_ttft_ms
    for number in range(1, 4):
        decision = brain.decide(arrived(number, stream=False))
        brain.observe(Sent(0.0, f"r{number}", decision.endpoint))
    later = brain.decide(arrived(9, 20.0))
    assert later.reason == "cheapest"
    assert later.predicted_ttft_ms < 2 * alone
