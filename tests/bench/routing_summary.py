"""What the rows of the routing scorecard say together: intervals, duels and figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
OTHERS = ("always-bronze", "random", "threshold", "latency-only", "oracle")
ERROR_MOST = 0.01
Timing = dict[str, tuple[list[float], list[float]]]
"""Of each path: the decisions, and the decisions with all their events, in us."""


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean, and its 95% bootstrap interval over the seeds."""
    found = np.asarray(values, dtype=float)
    if not len(found):
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    random = np.random.default_rng(0)
    means = found[random.integers(len(found), size=(RESAMPLES, len(found)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    mean, low, high = (round(float(value), 5) for value in (found.mean(), low, high))
    return {"mean": mean, "low": low, "high": high, "seeds": len(found)}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each policy at each burstiness, with intervals."""
    names = list(dict.fromkeys((each["policy"], each["cv"]) for each in rows))
    fields = ("attained", "in_time", "at_floor", "shortfall", "usd_per_1000")
    table = []
    for name, cv in names:
        chosen = [each for each in rows if (each["policy"], each["cv"]) == (name, cv)]
        figures = {field: interval([each[field] for each in chosen]) for field in fields}
        table.append({"policy": name, "cv": cv, **figures})
    return table


def duel(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Our cost over another's where it attains as much, and how often it does not."""
    ours = {(each["cv"], each["seed"]): each for each in rows if each["policy"] == "ours"}
    others = [each for each in rows if each["policy"] == name]
    ratios = [
        ours[each["cv"], each["seed"]]["usd_per_1000"] / each["usd_per_1000"]
        for each in others
        if each["reached"]
    ]
    short = [
        ours[each["cv"], each["seed"]]["attained"] - each["attained"]
        for each in others
        if not each["reached"]
    ]
    return {
        "policy": name,
        "cost_ratio": interval(ratios),
        "attains_less_on": len(short),
        "by": interval(short),
        "traces": len(others),
        "won": sum(ratio < 1.0 for ratio in ratios) + len(short),
    }


def spans(timing: Timing) -> dict[str, dict[str, dict[str, float]]]:
    """Quantiles of the timed paths."""
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {
        path: {
            what: {name: round(float(np.quantile(us, q)), 1) for name, q in quantiles.items()}
            for what, us in zip(("decision", "all_events"), both, strict=True)
        }
        for path, both in timing.items()
    }


def figure(name: str, value: float, unit: str, goal: str, *, holds: bool) -> dict[str, Any]:
    """A measured value and whether it holds."""
    print(f"{name}: {value:g} {unit} (goal {goal}) {'holds' if holds else 'FALLS SHORT'}")
    return {"name": name, "value": value, "unit": unit, "goal": goal, "holds": holds}


def figures(
    rows: list[dict[str, Any]], days: list[dict[str, Any]], *, same: bool, timing: Timing
) -> list[dict[str, Any]]:
    """What the issue asks for, as measured."""
    found = []
    for name in OTHERS[:-1]:
        result = duel(name, rows)
        share = result["won"] / result["traces"]
        label = f"traces where we attain more than {name}, or as much at less cost"
        found.append(figure(label, round(share, 4), "", "> 0.5", holds=share > 0.5))
        if ratio := result["cost_ratio"]["mean"]:
            label = f"cost over {name} at equal attainment"
            high = result["cost_ratio"]["high"]
            found.append(figure(label, ratio, "x", "< 1 with interval", holds=high < 1))
    worst = max(day["error"] for day in days)
    found.append(figure("budget error, worst day", worst, "", "<= 0.01", holds=worst <= ERROR_MOST))
    p99 = spans(timing)["auto"]["decision"]["p99"]
    found.append(
        figure("decision over three tiers, p99", p99, "CPU us", "<= 150", holds=p99 <= 150)
    )
    path = spans(timing)["explicit"]["all_events"]["p50"]
    found.append(figure("explicit tier, all events, p50", path, "CPU us", "< 40", holds=path < 40))
    found.append(figure("replay is bit for bit", float(same), "", "1", holds=same))
    return found
