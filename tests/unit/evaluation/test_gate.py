"""The gate's decision table, and what it lets through by chance."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldsmith.config.run import EvaluateConfig, QualityGateConfig
from goldsmith.evaluation import gate, statistics

CONFIG = QualityGateConfig(bootstrap_draws=1000)
SHIPPED = EvaluateConfig()


def plays(wins: Any) -> dict[str, Any]:
    return {"wins": list(wins), "greedy": 0}


def suite(
    candidate: float,
    live: float,
    *,
    role: str = "target",
    name: str | None = None,
    margin: float | None = 0.12,
    games: int = 100,
    samples: int = 8,
) -> dict[str, Any]:
    """A suite in which each model wins this share of games, each as evenly as rounding lets it."""
    tasks = []
    for index in range(games):
        counts = [
            math.floor((index + 1) * share * samples) - math.floor(index * share * samples)
            for share in (candidate, live)
        ]
        rows = [[1] * count + [0] * (samples - count) for count in counts]
        sides = {"candidate": plays(rows[0]), "live": plays(rows[1])}
        tasks.append({"task_id": f"{index}", **sides})
    margin = margin if role == "regression" else None
    declared = {"name": name or role, "role": role, "margin": margin, "games": games}
    return {**declared, "tasks": tasks}


def scores(*suites: Any, **fields: Any) -> dict[str, Any]:
    return {
        "candidate": "models/new",
        "live": "models/old",
        "suites": list(suites),
        **fields,
    }


def target(candidate: float = 0.6, live: float = 0.3, **fields: Any) -> dict[str, Any]:
    return suite(candidate, live, **fields)


def regression(candidate: float = 0.8, live: float = 0.8, **fields: Any) -> dict[str, Any]:
    return suite(candidate, live, role="regression", **fields)


def altered(path: str, value: Any, *, document: Any = None) -> dict[str, Any]:
    """Good scores with one place set to a bad value, or taken out if the value is `...`."""
    document = copy.deepcopy(document or scores(target(), regression()))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


FIRST_WINS = "suites.0.tasks.0.candidate.wins"
TABLE = [
    # promote
    ("a gain without regression suites is promoted", scores(target()), "promote", "better than"),
    ("a gain with a level regression suite is promoted", scores(target(), regression()),
     "promote", "within the margin"),
    ("a gain with a better regression suite is promoted", scores(target(), regression(0.95)),
     "promote", "within the margin"),
    ("a small loss well inside the margin is promoted", scores(target(), regression(0.78)),
     "promote", "-2.0 points"),
    ("a gain from zero is promoted", scores(target(0.2, 0.0)), "promote", "+20.0 points"),
    ("a perfect model over a hopeless one is promoted", scores(target(1.0, 0.0)), "promote",
     "+100.0 points"),
    ("a live model that always wins sets no least margin", scores(target(), regression(1.0, 1.0)),
     "promote", "+0.0 points"),
    ("a regression suite that cannot fail says so", scores(target(), regression(0.1, 0.1)),
     "promote", "cannot fail"),
    ("two gains are promoted", scores(target(), target(name="other")), "promote", "suite other"),
    ("unknown extra keys do not matter", scores(target(), sha256="abc", more=[1]), "promote", "+"),
    ("one sample a game is enough if the gain is clear",
     scores(target(0.9, 0.1, samples=1)), "promote", "better"),
    ("a margin of one never holds", scores(target(), regression(margin=1.0)), "promote", "within"),
    # hold, by the numbers
    ("no gain is held", scores(target(0.3, 0.3), regression()), "hold", "not shown to be better"),
    ("both hopeless is held", scores(target(0.0, 0.0)), "hold", "not shown to be better"),
    ("both perfect is held", scores(target(1.0, 1.0)), "hold", "not shown to be better"),
    ("a gain inside the noise is held",
     scores(target(0.32, 0.3, games=6)), "hold", "not shown to be better"),
    ("a small loss on the target is held", scores(target(0.25, 0.3)), "hold", "-5.0 points"),
    ("a loss that may exceed the margin is held",
     scores(target(), regression(0.69)), "hold", "not shown to stay within"),
    ("a loss at the margin is held", scores(target(), regression(0.68)), "hold", "not shown"),
    ("one regressed suite of two is held",
     scores(target(), regression(), regression(0.69, name="second")), "hold", "suite second"),
    ("one gain of two is held",
     scores(target(), target(0.3, 0.3, name="second")), "hold", "suite second"),
    ("a margin below four standard errors cannot promote",
     scores(target(), regression(margin=0.01)), "hold", "4 standard errors"),
    ("a margin of zero cannot promote", scores(target(), regression(margin=0.0)), "hold",
     "raise it or play more games"),
    ("a regression suite without a margin cannot promote",
     scores(target(), regression(margin=None)), "hold", "no margin is declared"),
    ("a suite of five games decides nothing", scores(target(games=5)), "hold", "5 games decide"),
    ("a suite of one game decides nothing", scores(target(1.0, 0.0, games=1)), "hold", "1 games"),
    # reject
    ("a target that is surely worse is rejected",
     scores(target(0.2, 0.6), regression()), "reject", "by more than 20.0 points"),
    ("a collapse to zero is rejected", scores(target(0.0, 0.9)), "reject", "-90.0 points"),
    ("a broken regression suite is rejected in spite of a gain",
     scores(target(), regression(0.5)), "reject", "worse than live by more than the margin"),
    ("a regression suite lost altogether is rejected",
     scores(target(), regression(0.0)), "reject", "suite regression: -80.0 points"),
    ("a break is rejected even when its margin is too small to promote by",
     scores(target(), regression(0.5, margin=0.01)), "reject", "margin of 1.0 points"),
    ("a reject outweighs a hold",
     scores(target(0.3, 0.3), regression(0.2)), "reject", "suite regression"),
    # hold, since the scores make no sense
    ("nothing at all is held", None, "hold", "cannot be read"),
    ("a text is held", "promote", "hold", "cannot be read"),
    ("a list is held", [1, 2], "hold", "cannot be read"),
    ("NaN is held", float("nan"), "hold", "cannot be read"),
    ("an empty document is held", {}, "hold", "no target suite"),
    ("no suites are held", scores(), "hold", "no target suite"),
    ("only regression suites are held", scores(regression()), "hold", "no target suite"),
    ("suites that are a number are held", scores() | {"suites": 3}, "hold", "suites"),
    ("a suite that is a text is held", scores("hard"), "hold", "suites.0"),
    ("a suite without tasks is held", altered("suites.0.tasks", []), "hold", "0 of its 100 games"),
    ("a suite without a task list is held", altered("suites.0.tasks", ...), "hold",
     "suites.0.tasks"),
    ("a suite without a name is held", altered("suites.0.name", ""), "hold", "suites.0.name"),
    ("an unknown role is held", altered("suites.0.role", "bonus"), "hold", "suites.0.role"),
    ("a NaN win is held", altered(f"{FIRST_WINS}.0", float("nan")), "hold", FIRST_WINS),
    ("an infinite win is held", altered(f"{FIRST_WINS}.0", float("inf")), "hold", FIRST_WINS),
    ("half a win is held", altered(f"{FIRST_WINS}.0", 0.5), "hold", FIRST_WINS),
    ("a win of two is held", altered(f"{FIRST_WINS}.0", 2), "hold", FIRST_WINS),
    ("a negative win is held", altered(f"{FIRST_WINS}.0", -1), "hold", FIRST_WINS),
    ("a win as text is held", altered(f"{FIRST_WINS}.0", "1"), "hold", FIRST_WINS),
    ("no samples are held", altered(FIRST_WINS, []), "hold", FIRST_WINS),
    ("a missing live model is held", altered("suites.1.tasks.4.live", ...), "hold",
     "suites.1.tasks.4.live"),
    ("a game with fewer samples is held", altered(FIRST_WINS, [1]), "hold", "1 to 8 samples"),
    ("fewer games than declared are held", altered("suites.0.games", 200), "hold",
     "100 of its 200 games"),
    ("more games than declared are held", altered("suites.0.games", 50), "hold",
     "100 of its 50 games"),
    ("a game scored twice is held", altered("suites.0.tasks.1.task_id", "0"), "hold",
     "task 0 is there twice"),
    ("a suite scored twice is held", scores(target(), target()), "hold", "is there twice"),
    ("a NaN margin is held", altered("suites.1.margin", float("nan")), "hold", "suites.1.margin"),
    ("a negative margin is held", altered("suites.1.margin", -0.1), "hold", "suites.1.margin"),
    ("no declared games are held", altered("suites.0.games", 0), "hold", "suites.0.games"),
    ("the live model against itself is held", scores(target(), candidate="m", live="m"), "hold",
     "what is live already"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "word", "reason"), [pytest.param(*row[1:], id=row[0]) for row in TABLE]
)
def test_the_gate_decides(document: Any, word: str, reason: str) -> None:
    verdict = gate.decide(document, CONFIG, seed=0)
    assert verdict.word == word
    assert verdict.reasons
    assert any(reason in text for text in verdict.reasons), verdict.reasons


def test_the_table_has_at_least_forty_rows_with_every_word() -> None:
    assert len(TABLE) >= 40
    assert {row[2] for row in TABLE} == {"promote", "hold", "reject"}


def test_the_reason_that_decides_comes_first() -> None:
    verdict = gate.decide(scores(target(), regression(0.2)), CONFIG, seed=0)
    assert verdict.reasons[0].startswith("regression suite regression: -60.0 points")
    assert len(verdict.reasons) == len(verdict.suites) == 2


def test_the_same_seed_gives_the_same_verdict() -> None:
    document = scores(target(), regression(0.72))
    assert gate.decide(document, CONFIG, seed=1) == gate.decide(document, CONFIG, seed=1)


def test_a_suite_prints_its_error_least_margin_and_power() -> None:
    judged = gate.decide(scores(target(), regression()), CONFIG, seed=0).suites[1]
    assert judged.minimum_margin == pytest.approx(4 * judged.self_error)
    assert judged.power_identical > 0.97
    assert judged.power_worse is not None and judged.power_worse < 0.06


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    path=st.sampled_from(
        "suites suites.0 suites.0.tasks suites.1.margin suites.0.games live suites.0.tasks.0 "
        f"suites.0.tasks.0.live {FIRST_WINS}".split()
    ),
    value=junk,
)
def test_the_gate_never_raises(path: str, value: Any) -> None:
    small = scores(target(games=6), regression(games=6))
    verdict = gate.decide(altered(path, value, document=small), CONFIG, seed=0)
    assert verdict.word in {"promote", "hold", "reject"} and verdict.reasons


@pytest.fixture
def without_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power figures of no use here, for speed."""
    monkeypatch.setattr(statistics, "SIMULATED_GAMES", 2)


def played(shares_P: np.ndarray, random: np.random.Generator, samples: int) -> list[list[int]]:
    return random.binomial(1, shares_P[:, None], size=(len(shares_P), samples)).tolist()


def shipped_suites(random: np.random.Generator, *, drop: float) -> list[dict[str, Any]]:
    """The shipped regression suites, played by live and by a model whose win rate is lower."""
    suites = []
    for shape in (suite for suite in SHIPPED.suites if suite.role == "regression"):
        live_P = random.beta(1.5, 1.0, size=shape.games)
        sides = [
            played(shares, random, SHIPPED.samples)
            for shares in (live_P * (1 - drop / live_P.mean()), live_P)
        ]
        tasks = [
            {"task_id": str(index), "candidate": plays(new), "live": plays(old)}
            for index, (new, old) in enumerate(zip(*sides, strict=True))
        ]
        declared = shape.model_dump(include={"name", "level", "role", "margin", "games"})
        suites.append({**declared, "tasks": tasks})
    return suites


def passing_share(*, drop: float, runs: int) -> float:
    """How often every shipped regression suite lets such a model pass."""
    random = np.random.default_rng(7)
    config = QualityGateConfig(bootstrap_draws=400)
    passed = 0
    for seed in range(runs):
        document = scores(target(games=6), *shipped_suites(random, drop=drop))
        passed += gate.decide(document, config, seed=seed).word == "promote"
    return passed / runs


@pytest.mark.usefixtures("without_power")
def test_an_identical_model_passes_the_shipped_regression_suites() -> None:
    assert passing_share(drop=0.0, runs=200) >= 0.97


@pytest.mark.usefixtures("without_power")
def test_a_model_worse_by_the_margin_does_not_pass() -> None:
    assert passing_share(drop=0.12, runs=60) <= 0.05


@pytest.mark.usefixtures("without_power")
def test_a_model_that_gains_nothing_is_rarely_promoted() -> None:
    random = np.random.default_rng(3)
    config = QualityGateConfig(bootstrap_draws=400)
    promoted = 0
    for seed in range(200):
        shares_P = random.beta(1, 3, size=100)
        document = scores(target())
        for task, new, old in zip(
            document["suites"][0]["tasks"],
            *(played(shares_P, random, 8) for _ in range(2)),
            strict=True,
        ):
            task["candidate"], task["live"] = plays(new), plays(old)
        promoted += gate.decide(document, config, seed=seed).word == "promote"
    assert promoted <= 200 * 0.06
