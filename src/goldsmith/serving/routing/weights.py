"""Weights of hashed features, learned verdict by verdict: ridge regression, each on its own.

    value = sum over features x * w,   w = S / (shrink + n),   x = 1 / sqrt(features)

Each verdict makes all older ones count a little less, which is done by letting the new ones count
more. Only + - * / and sqrt: the same on every machine, bit for bit.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from goldsmith.serving.routing.features import PLACES

FORGETTING = 0.9999
_RESCALE = 10.0


class Reading(NamedTuple):
    """The value of a request's features, and how uncertain it is, in variances of a verdict."""

    value: float
    known: float
    """Of what verdicts moved it by."""
    unknown: float
    """Of what it may be."""


class Weights:
    """One weight a feature."""

    def __init__(self, shrink: float) -> None:
        self._shrink = shrink
        self._unit = 1.0
        self._sums = [0.0] * PLACES
        self._counts = [0.0] * PLACES

    def read(self, places: list[int]) -> Reading:
        """The value of the features at these places."""
        unit, sums, counts = self._unit, self._sums, self._counts
        shrink = self._shrink * unit
        total = known = unknown = 0.0
        for place in places:
            count = counts[place]
            weight = 1.0 / (shrink + count)
            total += sums[place] * weight
            known += count * weight * weight
            unknown += weight
        share = 1.0 / len(places)
        return Reading(total * sqrt(share), known * unit * share, unknown * unit * share)

    def learn(self, places: list[int], error: float, gain: float = 1.0) -> None:
        """A verdict differed by `error` from what was predicted; `gain` is the value's factor."""
        unit, sums, counts = self._unit, self._sums, self._counts
        shrink, size = self._shrink * unit, gain / sqrt(len(places))
        for place in places:
            weight = sums[place] / (shrink + counts[place])
            sums[place] += unit * size * (error + weight * size)
            counts[place] += unit * size * size
        self._unit = unit / FORGETTING
        if self._unit > _RESCALE:
            self._rescale()

    def _rescale(self) -> None:
        unit, self._unit = self._unit, 1.0
        self._sums = [value / unit for value in self._sums]
        self._counts = [value / unit for value in self._counts]
