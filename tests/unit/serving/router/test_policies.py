"""What the declared policies read from answers."""

from __future__ import annotations

import math

import pytest

from goldsmith.serving.router.policies import confidence, read_steps


def test_confidence_is_the_mean_probability_of_the_tokens() -> None:
    chat = [{"token": "a", "logprob": math.log(0.5)}, {"token": "b", "logprob": 0.0}]
    text = {"tokens": ["a", "b"], "token_logprobs": [None, math.log(0.25)]}
    assert confidence({"choices": [{"logprobs": {"content": chat}}]}) == pytest.approx(0.75)
    assert confidence({"choices": [{"logprobs": text}]}) == pytest.approx(0.25)
    assert confidence({"choices": [{"logprobs": None}]}) is None


def test_the_numbered_lines_of_a_plan_are_its_steps() -> None:
    plan = "Here is the plan:\n1. open the fridge\n 2) take the egg \n3: fry it\n4. eat"
    assert read_steps(plan, 3) == ["open the fridge", "take the egg", "fry it"]


def test_a_plan_without_numbers_is_one_step() -> None:
    assert read_steps("just do it", 8) == ["just do it"]
    assert read_steps("", 8) == ["answer"]
