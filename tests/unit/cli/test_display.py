"""Progress for people and for pipes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from goldsmith.cli.display import Display


def started(step: str, t: float) -> dict[str, object]:
    return {"step": step, "event": "started", "t": t, "message": ""}


def done(step: str, t: float, count: int, total: int) -> dict[str, object]:
    return {"step": step, "done": count, "total": total, "t": t, "text": "reward 0.4"}


def test_eta_is_the_rate_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(["train_srl"], title="Run r")
    with display:
        display([started("train_srl", 100.0), done("train_srl", 110.0, 1, 4)])
    assert display.steps["train_srl"].left(110.0) == 30.0
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["train_srl: started", "train_srl: 1/4, ETA 0:30 reward 0.4"]


def test_a_step_that_waits_takes_its_eta_from_an_earlier_run() -> None:
    display = Display(["collaborate", "evaluate"], title="Run r", expected_s={"evaluate": 42.0})
    assert display.steps["evaluate"].left(0.0) == 42.0
    assert display.steps["collaborate"].left(0.0) is None


def test_plain_lines_do_not_flood(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(["a"], title="Run r")
    display([done("a", 100 + i / 10, i, 40) for i in range(40)])
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(["a"], title="Run r", quiet=True) as display:
        display([started("a", 1.0), done("a", 2.0, 1, 2)])
    assert capsys.readouterr().err == ""


def test_the_table_shows_every_step_with_state_and_eta() -> None:
    display = Display(["a", "b"], title="Run r", expected_s={"a": 5.0, "b": 65.0})
    display([started("a", 1.0), {"step": "a", "event": "finished", "t": 4.0, "message": ""}])
    console = Console(file=io.StringIO(), width=100)
    console.print(display._render())
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "about 1:05 left" in text
    assert "0:03 done" in " ".join(text.split())


def test_a_line_of_an_unknown_step_gets_a_row_and_the_runners_own_none() -> None:
    display = Display(["a"], title="Run r", quiet=True)
    display([started("c", 1.0), {"step": "", "event": "failed", "t": 1.0, "message": "x"}])
    assert list(display.steps) == ["a", "c"]
