"""The gate's verdict and the scores behind it: per level, per kind of words, per verb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from goldsmith.evaluation import statistics
from goldsmith.evaluation.scores import SIDES, SuiteScores, TaskScores
from goldsmith.pipeline.report import charts
from goldsmith.pipeline.report.source import Source

DRAWS = 2000
CONFIDENCE = 0.95


def verdict(source: Source) -> dict[str, Any]:
    """gate.json."""
    return source.document(source.output("quality_gate", "gate"))


def levels(source: Source) -> dict[str, Any]:
    """Win rates of both models on each suite, with a drawing."""
    scores = source.scores
    rows = [row for suite in scores.suites for row in _suite_rows(suite)]
    estimates = {
        suite.name: {side: charts.Estimate(*_interval(suite.wins(side))) for side in SIDES}
        for suite in scores.suites
    }
    samples = len(scores.suites[0].tasks[0].candidate.wins)
    drawing = charts.wins(f"Games won by level, avg@{samples} with 95% intervals", estimates)
    return {
        "rows": rows,
        "drawing": drawing,
        "samples": samples,
        "temperature": scores.temperature,
        "live_version": scores.live_version,
    }


def groups(source: Source) -> list[dict[str, Any]]:
    """Win rates by tag, e.g. seen and unseen words, over all suites."""
    tasks = [task for suite in source.scores.suites for task in suite.tasks]
    found: list[dict[str, Any]] = []
    for tag in sorted({tag for task in tasks for tag in task.tags}):
        values = sorted({task.tags.get(tag, "") for task in tasks} - {""})
        if len(values) > 1:
            found += [
                {"tag": tag, "value": value, **_both(tasks, _tagged(tag, value))}
                for value in values
            ]
    return found


def verbs(source: Source) -> list[dict[str, Any]]:
    """Accuracy per verb over all suites, commonest verb first."""
    totals: dict[str, dict[str, list[int]]] = {}
    for suite in source.scores.suites:
        for side, counts in suite.verbs.items():
            for verb, score in counts.items():
                total = totals.setdefault(verb, {name: [0, 0] for name in SIDES})[side]
                total[0] += score.done
                total[1] += score.expected
    rows = [
        {
            "verb": verb,
            **{side: done / max(1, of) for side, (done, of) in sides.items()},
            "expected": sides["candidate"][1],
        }
        for verb, sides in totals.items()
    ]
    return sorted(rows, key=lambda row: (-row["expected"], row["verb"]))


def _suite_rows(suite: SuiteScores) -> list[dict[str, Any]]:
    rows = []
    for side in SIDES:
        wins = suite.wins(side)
        plays = [getattr(task, side) for task in suite.tasks]
        episodes = wins.size
        greedy, games = suite.greedy(side)
        mean, low, high = _interval(wins)
        rows.append(
            {
                "suite": suite.name,
                "side": side,
                "games": games,
                "mean": mean,
                "low": low,
                "high": high,
                "any": statistics.pass_at_k(wins, wins.shape[1]),
                "greedy": statistics.wilson(greedy, games),
                "malformed": sum(play.malformed for play in plays) / episodes,
                "illegal": sum(play.illegal for play in plays) / episodes,
                "truncated": sum(play.truncated for play in plays) / episodes,
                "tokens": sum(play.tokens for play in plays) / episodes,
            }
        )
    return rows


def _tagged(tag: str, value: str) -> Callable[[TaskScores], bool]:
    return lambda task: task.tags.get(tag) == value


def _both(tasks: Sequence[TaskScores], keep: Callable[[TaskScores], bool]) -> dict[str, Any]:
    kept = [task for task in tasks if keep(task)]
    row: dict[str, Any] = {"games": len(kept)}
    for side in SIDES:
        row[side] = _interval(np.array([getattr(task, side).wins for task in kept]))
    return row


def _interval(wins_P_S: statistics.Array) -> tuple[float, float, float]:
    found = statistics.hierarchical_bootstrap(wins_P_S, draws=DRAWS, confidence=CONFIDENCE, seed=0)
    return found.mean, found.low, found.high
