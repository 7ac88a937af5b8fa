"""Win rates with intervals: avg@k, unbiased pass@k, Wilson, paired and hierarchical bootstrap.

Arrays carry their axes in the name: `_P` problems, `_P_S` problems by samples, all 0 or 1. Every
interval is two-sided at `confidence`; its lower end is the one-sided bound at (1 + confidence) / 2.

The gate uses the paired bootstrap over problems. The hierarchical one (problems, then samples)
counts the noise of sampling twice, once in the spread between problems and once inside them, so
that it is wider; reports of a single model use it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SIMULATED_GAMES = 1000
"""Repetitions behind a power figure: a standard error of at most 1.6 points."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided interval, in shares of games (or a difference of shares)."""

    mean: float
    low: float
    high: float


def avg_at_k(wins_P_S: Array) -> float:
    """Mean over problems of the share of samples that win."""
    return float(np.mean(wins_P_S))


def pass_at_k(wins_P_S: Array, k: int) -> float:
    """Unbiased pass@k = 1 - C(n-c, k) / C(n, k), mean over problems (Chen et al. 2021).

    Raises ValueError if k is not in 1..n.
    """
    samples = wins_P_S.shape[1]
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs 1 <= k <= {samples} samples")
    successes_P = wins_P_S.sum(axis=1).astype(int)
    return float(np.mean(1 - _scipy_stats().hypergeom.pmf(0, samples, successes_P, k)))


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share of independent trials; (0, 0, 1) if there were none."""
    if trials == 0:
        return Interval(0.0, 0.0, 1.0)
    bounds = _scipy_stats().binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(bounds.low), float(bounds.high))


def paired_bootstrap(
    candidate_P_S: Array, live_P_S: Array, *, draws: int, confidence: float, seed: int
) -> Interval:
    """Percentile bootstrap over problems of avg@k(candidate) - avg@k(live) on the same problems."""
    differences_P = candidate_P_S.mean(axis=1) - live_P_S.mean(axis=1)
    mean = float(differences_P.mean())
    if len(differences_P) < 2 or np.ptp(differences_P) == 0:
        return Interval(mean, mean, mean)
    result = _scipy_stats().bootstrap(
        (differences_P,),
        np.mean,
        n_resamples=draws,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    bounds = result.confidence_interval
    return Interval(mean, float(bounds.low), float(bounds.high))


def hierarchical_bootstrap(
    wins_P_S: Array, *, draws: int, confidence: float, seed: int
) -> Interval:
    """Bootstrap of avg@k that redraws the problems and, inside each, its samples."""
    random = np.random.default_rng(seed)
    problems, samples = wins_P_S.shape
    shares_P = wins_P_S.mean(axis=1)
    picked_D_P = shares_P[random.integers(problems, size=(draws, problems))]
    # Drawing n outcomes of 0 or 1 with replacement is one binomial draw.
    means_D = random.binomial(samples, picked_D_P).mean(axis=1) / samples
    low, high = np.quantile(means_D, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(avg_at_k(wins_P_S), float(low), float(high))


def self_standard_error(wins_P_S: Array) -> float:
    """Standard error of a model's avg@k against its own on the same problems, played again.

    Each problem's share is measured twice, so its variance is 2 p (1 - p) / n, estimated without
    bias; with one sample a problem, p is the mean over problems, which can only be too careful.
    """
    problems, samples = wins_P_S.shape
    if samples > 1:
        shares_P = wins_P_S.mean(axis=1)
        variance = 2 * float((shares_P * (1 - shares_P)).sum()) / (samples - 1)
        return math.sqrt(variance) / float(problems)
    share = avg_at_k(wins_P_S)
    return math.sqrt(2 * share * (1 - share) / float(problems))


def pass_probability(
    wins_P_S: Array, *, margin: float, drop: float, confidence: float, seed: int
) -> float:
    """Chance that a model worse than this one by `drop` shows a lower bound above -margin.

    Simulated: both models play every problem again, the worse one with all its win rates scaled
    down alike; the bound is the normal one. `drop` is cut to the win rate there is to lose.
    """
    random = np.random.default_rng(seed)
    problems, samples = wins_P_S.shape
    shares_P = wins_P_S.mean(axis=1)
    kept = max(0.0, 1 - drop / shares_P.mean()) if shares_P.any() else 1.0
    size = (SIMULATED_GAMES, problems)
    worse_R_P = random.binomial(samples, shares_P * kept, size=size) / samples
    again_R_P = random.binomial(samples, shares_P, size=size) / samples
    differences_R_P = worse_R_P - again_R_P
    errors_R = differences_R_P.std(axis=1, ddof=min(1, problems - 1)) / math.sqrt(problems)
    width = float(_scipy_stats().norm.ppf((1 + confidence) / 2))
    low_R = differences_R_P.mean(axis=1) - width * errors_R
    return float(np.mean(low_R > -margin))


def _scipy_stats() -> Any:
    """scipy.stats, which has no types and takes half a second to import."""
    from scipy import stats

    return stats
