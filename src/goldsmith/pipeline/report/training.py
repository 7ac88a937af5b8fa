"""Learning curves of the two stages, and which tasks were ready for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goldsmith.pipeline.report import charts
from goldsmith.pipeline.report.source import Missing, Source
from goldsmith.store.layout import Stage, run_key

Rows = Sequence[dict[str, Any]]
STAGES: dict[Stage, str] = {"train_srl": "SRL", "train_rlvr": "RLVR"}


def curves(source: Source, stage: Stage) -> dict[str, Any]:
    """The stage's drawings and its first and last figures."""
    rows = source.metrics(stage)
    if not rows:
        raise Missing(f"{stage} wrote no metrics.")
    name = STAGES[stage]
    drawings = [
        ("Reward", _reward(name, rows)),
        ("Groups that can teach", _groups(name, rows)),
        ("Entropy (nats a token)", _plain(name, rows, "entropy", colour="candidate")),
        ("KL to the start of the stage (nats a token)", _plain(name, rows, "kl", colour="live")),
        ("What the reward is made of", _measures(name, rows)),
    ]
    return {
        "updates": len(rows),
        "drawings": [(title, drawing) for title, drawing in drawings if drawing],
        "figures": _first_and_last(rows),
    }


def readiness(source: Source) -> dict[str, Any]:
    """Tasks by level and stage, before RLVR."""
    key = run_key(source.run_id, "readiness.json")
    if not source.store.exists(key):
        raise Missing("This run has not sorted its tasks by readiness.")
    document = source.document(key)
    order = [mix["level"] for mix in source.config["config"]["collaborate"]["tasks"]]
    known = document["counts"]
    counts = {level: known[level] for level in [*order, *known] if level in known}
    colours = {"srl": "live", "rlvr": "candidate", "retired": "grid"}
    drawing = charts.stacked("Tasks ready for SRL, RLVR, or retired", counts, colours)
    return {**document, "counts": counts, "drawing": drawing}


def _column(rows: Rows, key: str) -> tuple[list[float], list[float]]:
    """Updates and values of the rows that have a value."""
    known = [(row.get("step", number), row[key]) for number, row in enumerate(rows) if key in row]
    return [float(x) for x, _ in known], [float(y) for _, y in known]


def _reward(name: str, rows: Rows) -> str:
    x, y = _column(rows, "reward")
    _, spread = _column(rows, "reward_std")
    band = spread if len(spread) == len(y) else ()
    line = charts.Line("reward", x, y, spread=band, most=1.0)
    return charts.curves(f"{name} reward by update", [line])


def _groups(name: str, rows: Rows) -> str:
    usable = _column(rows, "groups/usable")
    dead = _column(rows, "frac_reward_zero_std")
    lines = [
        charts.Line("usable when first rolled", *usable, colour="good"),
        charts.Line("dead in the batch", *dead, colour="bad"),
    ]
    lines = [line for line in lines if line.x]
    return charts.curves(f"{name} usable groups by update", lines, share=True) if lines else ""


def _plain(name: str, rows: Rows, key: str, *, colour: str) -> str:
    """One curve, or nothing if the stage does not measure it."""
    if not any(row.get(key) for row in rows):
        return ""
    line = charts.Line(key, *_column(rows, key), colour=colour)
    return charts.curves(f"{name} {key} by update", [line])


def _measures(name: str, rows: Rows) -> str:
    keys = [key for key in rows[0] if key.startswith("rewards/") and key.endswith("/mean")]
    colours = ("candidate", "live", "good", "bad")
    lines = [
        charts.Line(key.split("/")[1].replace("_", " "), *_column(rows, key), colour=colour)
        for key, colour in zip(keys, colours, strict=False)
    ]
    return charts.curves(f"{name} measures by update", lines) if len(lines) > 1 else ""


def _first_and_last(rows: Rows, *, window: int = 10) -> dict[str, tuple[float, float]]:
    """Mean of the first and the last updates of what matters."""
    found = {}
    for key in ("reward", "groups/usable", "entropy", "completions/mean_length"):
        _, values = _column(rows, key)
        if values:
            ends = values[:window], values[-window:]
            found[key] = (sum(ends[0]) / len(ends[0]), sum(ends[1]) / len(ends[1]))
    return found
