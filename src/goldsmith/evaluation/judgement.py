"""One suite's judgement: promote, hold or reject, and the numbers behind the word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from goldsmith.config.run import QualityGateConfig
from goldsmith.evaluation import statistics
from goldsmith.evaluation.scores import SuiteScores

Word = Literal["promote", "hold", "reject"]
SELF_ERRORS = 4
"""Standard errors of live against itself that a margin must span."""
MINIMUM_GAMES = 6
"""With fewer, even a gain on every game has a sign test above 2.5%."""


@dataclass(frozen=True)
class SuiteJudgement:
    """What one suite says, and the numbers behind it (shares of games)."""

    name: str
    role: Literal["target", "regression"]
    word: Word
    reason: str
    games: int
    candidate: float
    """avg@k."""
    live: float
    difference: float
    low: float
    high: float
    self_error: float
    """Standard error of live against itself on these games."""
    margin: float | None
    minimum_margin: float | None
    """SELF_ERRORS * self_error; None on a target suite."""
    power_identical: float
    """Chance that a model identical to live passes this suite."""
    power_worse: float | None
    """Chance that a model worse by the margin passes; None on a target suite."""


def judge(suite: SuiteScores, config: QualityGateConfig, *, seed: int) -> SuiteJudgement:
    """What one readable suite says."""
    candidate_P_S, live_P_S = suite.wins("candidate"), suite.wins("live")
    interval = statistics.paired_bootstrap(
        candidate_P_S,
        live_P_S,
        draws=config.bootstrap_draws,
        confidence=config.confidence,
        seed=seed,
    )
    self_error = statistics.self_standard_error(live_P_S)
    minimum = SELF_ERRORS * self_error
    word, reason = (
        _judge_target(interval, config)
        if suite.role == "target"
        else _judge_regression(interval, suite.margin, minimum, float(live_P_S.mean()))
    )
    margin = suite.margin if suite.role == "regression" else 0.0
    power = [
        statistics.pass_probability(
            live_P_S, margin=margin or 0.0, drop=drop, confidence=config.confidence, seed=seed
        )
        for drop in (0.0, margin or 0.0)
    ]
    target = suite.role == "target"
    return SuiteJudgement(
        name=suite.name,
        role=suite.role,
        word=word,
        reason=f"{suite.role} suite {suite.name}: {reason}",
        games=len(suite.tasks),
        candidate=statistics.avg_at_k(candidate_P_S),
        live=statistics.avg_at_k(live_P_S),
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        self_error=self_error,
        margin=suite.margin,
        minimum_margin=None if target else minimum,
        power_identical=power[0],
        power_worse=None if target else power[1],
    )


def _judge_target(interval: statistics.Interval, config: QualityGateConfig) -> tuple[Word, str]:
    seen = _seen(interval)
    if interval.low > 0:
        return "promote", f"{seen}: better than live"
    if interval.high < -config.reject_drop:
        return "reject", f"{seen}: worse than live by more than {_points(config.reject_drop)}"
    return "hold", f"{seen}: not shown to be better than live"


def _judge_regression(
    interval: statistics.Interval, margin: float | None, minimum: float, live: float
) -> tuple[Word, str]:
    seen = _seen(interval)
    if margin is None:
        return "hold", f"{seen}, but no margin is declared; set one of {_points(minimum)} or more"
    if interval.high < -margin:
        return "reject", f"{seen}: worse than live by more than the margin of {_points(margin)}"
    if margin < minimum:
        return "hold", (
            f"{seen}, but the margin of {_points(margin)} is less than {SELF_ERRORS} standard "
            f"errors of live against itself ({_points(minimum)}); raise it or play more games"
        )
    if interval.low <= -margin:
        return "hold", f"{seen}: not shown to stay within the margin of {_points(margin)}"
    blind = f" (live wins {live:.1%}, so this suite cannot fail)" if live <= margin else ""
    return "promote", f"{seen}: within the margin of {_points(margin)}{blind}"


def _seen(interval: statistics.Interval) -> str:
    return (
        f"{100 * interval.mean:+.1f} points [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    )


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def problems_of(suite: SuiteScores) -> list[str]:
    """Why this suite cannot be judged; empty if it can."""
    problems = []
    if len(suite.tasks) != suite.games:
        problems.append(f"{len(suite.tasks)} of its {suite.games} games have scores")
    elif suite.games < MINIMUM_GAMES:
        problems.append(f"{suite.games} games decide nothing; play {MINIMUM_GAMES} or more")
    for task_id in repeated([task.task_id for task in suite.tasks])[:1]:
        problems.append(f"task {task_id} is there twice")
    lengths = {len(plays.wins) for task in suite.tasks for plays in (task.candidate, task.live)}
    if len(lengths) > 1:
        problems.append(
            f"games have {min(lengths)} to {max(lengths)} samples instead of one number"
        )
    return [f"{suite.role} suite {suite.name}: {problem}" for problem in problems]


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]
