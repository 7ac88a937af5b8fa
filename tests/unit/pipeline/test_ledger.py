"""Where a run's time went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goldsmith.pipeline.ledger import ledger, lost
from goldsmith.store.object_store import open_store


def event(step: str, name: str, t: float) -> dict[str, Any]:
    return {"step": step, "event": name, "t": t}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], 0.0, id="nothing"),
        pytest.param([event("a", "started", 1), event("a", "finished", 9)], 0.0, id="kept"),
        pytest.param([event("a", "started", 1), {"step": "a", "done": 1, "t": 7}], 6.0, id="cut"),
        pytest.param([event("a", "started", 1), event("a", "failed", 4)], 3.0, id="failed"),
    ],
)
def test_lost_is_work_that_was_not_finished(lines: list[dict[str, Any]], expected: float) -> None:
    assert lost(lines) == expected


def test_a_torn_line_of_a_killed_attempt_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "runs/r/attempts/1"
    folder.mkdir(parents=True)
    lines = [event("a", "started", 1), {"step": "a", "done": 1, "t": 7}]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"step": "a", "do'
    (folder / "progress.jsonl").write_text(text)
    document = ledger(open_store(str(tmp_path)), "r")
    assert (document["lost_s"], document["wall_s"]) == (6.0, 6.0)
