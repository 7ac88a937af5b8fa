"""Win-rate statistics against scipy, brute force and their own properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from goldsmith.evaluation import statistics

wins = arrays(
    np.int64,
    st.tuples(st.integers(2, 12), st.integers(1, 8)),
    elements=st.integers(0, 1),
)
slow_machine = settings(deadline=None, max_examples=30, derandomize=True)


def same_model(seed: int, *, problems: int = 100, samples: int = 8) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    shares_P_1 = random.beta(1, 1, size=(problems, 1))
    return tuple(random.binomial(1, shares_P_1, size=(problems, samples)) for _ in range(2))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_pass_at_k_is_the_share_of_k_subsets_with_a_win(k: int) -> None:
    rows = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0]])
    subsets = [[any(pick) for pick in itertools.combinations(row, k)] for row in rows]
    expected = np.mean([np.mean(row) for row in subsets])
    assert statistics.pass_at_k(rows, k) == pytest.approx(expected)


def test_pass_at_k_is_the_formula_of_chen_et_al_at_large_n() -> None:
    rows = np.zeros((1, 200), dtype=np.int64)
    rows[0, :7] = 1
    expected = 1 - math.comb(193, 64) / math.comb(200, 64)
    assert statistics.pass_at_k(rows, 64) == pytest.approx(expected)


@pytest.mark.parametrize("k", [0, -1, 6])
def test_pass_at_k_refuses_a_k_outside_its_samples(k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} needs"):
        statistics.pass_at_k(np.ones((3, 5), dtype=np.int64), k)


@slow_machine
@given(wins)
def test_pass_at_k_grows_with_k_from_avg_to_any(rows: np.ndarray) -> None:
    values = [statistics.pass_at_k(rows, k) for k in range(1, rows.shape[1] + 1)]
    assert values == pytest.approx(sorted(values))
    assert values[0] == pytest.approx(statistics.avg_at_k(rows))
    assert values[-1] == pytest.approx(rows.any(axis=1).mean())


@slow_machine
@given(wins, st.integers(0, 5))
def test_bootstrap_intervals_hold_their_mean_and_stay_in_range(rows: np.ndarray, seed: int) -> None:
    settings = {"draws": 300, "confidence": 0.9, "seed": seed}
    single = statistics.hierarchical_bootstrap(rows, **settings)
    paired = statistics.paired_bootstrap(rows, rows[::-1], **settings)
    assert 0 <= single.low <= single.mean + 1e-9 and single.mean <= single.high + 1e-9 <= 1 + 2e-9
    assert -1 <= paired.low <= 1e-9 and -1e-9 <= paired.high <= 1
    assert paired.mean == pytest.approx(0)


@slow_machine
@given(wins)
def test_a_model_against_the_same_plays_differs_by_nothing(rows: np.ndarray) -> None:
    interval = statistics.paired_bootstrap(rows, rows, draws=100, confidence=0.95, seed=0)
    assert interval == statistics.Interval(0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    one, two = same_model(0)
    intervals = [
        statistics.paired_bootstrap(one, two, draws=500, confidence=0.95, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert intervals[0] == intervals[1] != intervals[2]


def test_the_paired_bootstrap_agrees_with_the_normal_interval() -> None:
    one, two = same_model(3, problems=400)
    differences = one.mean(axis=1) - two.mean(axis=1)
    expected = stats.norm.interval(0.95, differences.mean(), stats.sem(differences))
    interval = statistics.paired_bootstrap(one, two, draws=10_000, confidence=0.95, seed=0)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=0.002)


def test_the_hierarchical_bootstrap_agrees_with_redrawing_every_sample_by_hand() -> None:
    rows, _ = same_model(4, problems=30, samples=4)
    random = np.random.default_rng(0)
    means = []
    for _ in range(4000):
        problems = rows[random.integers(30, size=30)]
        samples = random.integers(4, size=(30, 4))
        means.append(np.take_along_axis(problems, samples, axis=1).mean())
    interval = statistics.hierarchical_bootstrap(rows, draws=4000, confidence=0.9, seed=1)
    assert (interval.low, interval.high) == pytest.approx(
        np.quantile(means, [0.05, 0.95]), abs=0.01
    )


def test_the_paired_interval_covers_zero_for_95_of_100_identical_models() -> None:
    covered = 0
    for seed in range(300):
        one, two = same_model(seed, problems=60)
        interval = statistics.paired_bootstrap(one, two, draws=400, confidence=0.95, seed=seed)
        covered += interval.low <= 0 <= interval.high
    assert covered >= 300 * 0.91


def test_wilson_is_the_interval_of_the_textbook() -> None:
    interval = statistics.wilson(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert statistics.wilson(0, 0) == statistics.Interval(0.0, 0.0, 1.0)


@pytest.mark.parametrize("samples", [1, 4, 8])
def test_the_self_error_is_the_spread_of_a_model_played_twice(samples: int) -> None:
    shares_P_1 = np.full((80, 1), 0.3)
    random = np.random.default_rng(0)
    plays = random.binomial(1, shares_P_1, size=(600, 2, 80, samples))
    differences = plays.mean(axis=(2, 3))[:, 0] - plays.mean(axis=(2, 3))[:, 1]
    estimates = [statistics.self_standard_error(play) for play in plays[:50, 0]]
    assert np.mean(estimates) == pytest.approx(differences.std(), rel=0.08)


def test_power_falls_from_an_identical_model_to_one_worse_by_the_margin() -> None:
    rows, _ = same_model(5)
    powers = [
        statistics.pass_probability(rows, margin=0.1, drop=drop, confidence=0.95, seed=0)
        for drop in (0.0, 0.05, 0.1)
    ]
    assert powers[0] > 0.98
    assert powers[0] > powers[1] > powers[2]
    assert powers[2] < 0.06


def test_power_is_certain_when_there_is_nothing_to_lose() -> None:
    rows = np.zeros((20, 4), dtype=np.int64)
    assert statistics.pass_probability(rows, margin=0.1, drop=0.1, confidence=0.95, seed=0) == 1.0
