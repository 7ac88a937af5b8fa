"""What verdicts teach."""

from __future__ import annotations

import random

import pytest

from goldsmith.serving.routing.features import buckets, text_features
from goldsmith.serving.routing.quality import EASE_SHRINK, QualityModel
from goldsmith.serving.routing.weights import Weights

EASY = text_features("chop the onion and put it into the pan")
HARD = text_features("prove that every bounded sequence has a convergent subsequence")


class Learner:
    """A few models that share their ease, and what they say of a text."""

    def __init__(self, *beliefs: float) -> None:
        self.ease = Weights(EASE_SHRINK)
        self.models = [QualityModel(belief) for belief in beliefs]

    def bounds(self, features: tuple[int, ...], model: int = 0) -> tuple[float, float]:
        places = buckets(features, 100)
        return self.models[model].bounds(places, self.ease.read(places))

    def learn(self, features: tuple[int, ...], quality: float, model: int = 0) -> None:
        self.models[model].learn(buckets(features, 100), quality, self.ease)


def test_the_belief_is_the_lower_bound_until_a_verdict_says_otherwise() -> None:
    lower, upper = Learner(0.6).bounds(EASY)
    assert lower == pytest.approx(0.6)
    assert upper > 0.7


def test_the_lower_bound_is_below_the_truth_seven_times_in_ten() -> None:
    held = []
    for seed in range(20):
        draw, learner = random.Random(seed), Learner(0.6)
        truth = draw.uniform(0.4, 0.9)
        texts = [
            text_features(" ".join(f"word{draw.randrange(60)}" for _ in range(12)))
            for _ in range(420)
        ]
        for features in texts[:400]:
            learner.learn(features, float(draw.random() < truth))
        held += [learner.bounds(features)[0] <= truth for features in texts[400:]]
    assert sum(held) / len(held) >= 0.7


def test_kinds_of_prompts_are_told_apart() -> None:
    draw, learner = random.Random(0), Learner(0.7)
    for _ in range(300):
        learner.learn(EASY, float(draw.random() < 0.95))
        learner.learn(HARD, float(draw.random() < 0.30))
    assert learner.bounds(EASY)[0] > 0.75
    assert learner.bounds(HARD)[1] < 0.55


def test_one_tiers_verdicts_teach_about_another_that_is_never_asked() -> None:
    draw, learner = random.Random(0), Learner(0.8, 0.6)
    for _ in range(300):
        learner.learn(EASY, float(draw.random() < 0.98), model=0)
        learner.learn(HARD, float(draw.random() < 0.50), model=0)
    assert learner.bounds(EASY, model=1)[0] > learner.bounds(HARD, model=1)[0] + 0.2


def test_a_silent_drop_of_quality_is_seen_within_150_verdicts() -> None:
    draw, learner = random.Random(0), Learner(0.9)

    def text() -> tuple[int, ...]:
        return text_features(" ".join(f"word{draw.randrange(2000)}" for _ in range(12)))

    for _ in range(3000):
        learner.learn(text(), float(draw.random() < 0.9))
    assert learner.bounds(text())[0] > 0.8
    for _ in range(150):
        learner.learn(text(), float(draw.random() < 0.4))
    assert learner.bounds(text())[0] < 0.7


def test_long_learning_is_forgotten_in_time_and_keeps_its_numbers_small() -> None:
    weights, places = Weights(4.0), buckets(EASY, 100)
    for target in (0.9, 0.2):
        for _ in range(30_000):
            weights.learn(places, target - weights.read(places).value)
        reading = weights.read(places)
        assert reading.value == pytest.approx(target, abs=0.02)
        # 10,000 verdicts are remembered at most, whatever the number that came
        assert reading.unknown == pytest.approx(1.0 / (4.0 + 10_000 / len(places)), rel=0.2)


def test_features_are_the_same_wherever_the_words_stand() -> None:
    words = ["a", "small", "cat", "sat", "on", "the", "warm", "mat", "near", "a", "door"]
    random.Random(0).shuffle(shuffled := list(words))
    first, second = (set(text_features(" ".join(each))[:9]) for each in (words, shuffled))
    assert first == second


def test_features_are_few_and_depend_on_the_end_of_a_long_text() -> None:
    start = "you are a helpful cook " * 400
    first, second = text_features(start + EASY_END), text_features(start + HARD_END)
    assert len(first) <= 16
    assert first != second
    assert text_features("") == ()


EASY_END = "now chop onions " * 40
HARD_END = "now prove theorems " * 40
