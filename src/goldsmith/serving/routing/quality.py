"""What a tier's answers are worth, learned from verdicts.

    quality = mean + slope * ease(features) + own(features)

`ease` is shared: a prompt that is hard for one tier is mostly hard for the others, each by its own
slope, so that a tier's verdicts teach about tiers that are seldom asked; until they say otherwise
slopes are as the believed shares of bad answers. `own` is what the tier alone is good or bad at.
The mean starts at the configured belief, which weighs as much as BELIEF verdicts and is taken as
given: only what verdicts moved it by is uncertain, so that before any verdict the lower bound is
the belief. The mean forgets fast, so that a silent drop shows soon.
"""

from __future__ import annotations

from math import sqrt

from goldsmith.serving.routing.weights import Reading, Weights

BELIEF = 20.0
MEAN_FORGETTING = 0.995
EASE_SHRINK, OWN_SHRINK = 4.0, 8.0
SLOPE_BELIEF, SLOPE_MOST = 1.0, 3.0
NOISE = 0.2
"""Variance of a verdict around its prediction; 0.25 is the most that 0 and 1 can have."""
WIDTH = 0.7
"""Standard deviations from the prediction to a bound."""


class QualityModel:
    """Quality of one tier by features of the prompt."""

    def __init__(self, belief: float, slope: float = 1.0) -> None:
        self.belief = belief
        self.verdicts = 0
        self._own = Weights(OWN_SHRINK)
        self._mean, self._mean_sum, self._mean_count = belief, 0.0, 0.0
        self._slope, self._slope_count = slope, SLOPE_BELIEF
        self._slope_sum = slope * SLOPE_BELIEF

    def bounds(self, places: list[int], ease: Reading) -> tuple[float, float]:
        """Lower and upper bound of the quality of an answer."""
        own, slope, count = self._own.read(places), self._slope, self._mean_count
        weight = 1.0 / (BELIEF + count)
        # ease and own learn from the same errors: their deviations add, not their variances
        known = slope * sqrt(ease.known) + sqrt(own.known)
        unknown = slope * sqrt(ease.unknown) + sqrt(own.unknown)
        quality = self._mean + slope * ease.value + own.value
        lower = quality - WIDTH * sqrt(NOISE * (known * known + count * weight * weight))
        upper = quality + WIDTH * sqrt(NOISE * (unknown * unknown + weight))
        return min(1.0, max(0.0, lower)), min(1.0, max(0.0, upper))

    def learn(self, places: list[int], quality: float, ease: Weights) -> None:
        """A verdict on an answer to a prompt with these features; `ease` learns from it too."""
        self.verdicts += 1
        easy, slope = ease.read(places).value, self._slope
        error = quality - self._mean - slope * easy - self._own.read(places).value
        self._own.learn(places, error)
        ease.learn(places, error, slope)
        self._learn_slope(easy, error + slope * easy)
        self._mean_sum = self._mean_sum * MEAN_FORGETTING + error + self._mean - self.belief
        self._mean_count = self._mean_count * MEAN_FORGETTING + 1.0
        self._mean = self.belief + self._mean_sum / (BELIEF + self._mean_count)

    def _learn_slope(self, easy: float, residual: float) -> None:
        self._slope_sum += residual * easy
        self._slope_count += easy * easy
        self._slope = min(SLOPE_MOST, max(0.0, self._slope_sum / self._slope_count))


def first_slopes(beliefs: dict[str, float]) -> dict[str, float]:
    """How much harder a hard prompt is for each tier: by its share of bad answers; the most, 1."""
    most = max(1.0 - belief for belief in beliefs.values())
    return {name: (1.0 - belief) / most if most else 1.0 for name, belief in beliefs.items()}
