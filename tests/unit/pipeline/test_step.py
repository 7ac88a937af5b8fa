"""What a step tells about itself."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldsmith.errors import DataError
from goldsmith.observability.progress import VARIABLE, read_lines
from goldsmith.pipeline.step import step


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """A step is a process of its own; here its handlers and log level are put back."""
    handler, level = signal.getsignal(signal.SIGTERM), logging.getLogger("goldsmith").level
    root = logging.root.handlers[:], logging.root.level
    logging.root.handlers = []  # the step closes what it finds
    yield
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger("goldsmith").setLevel(level)
    logging.root.handlers, logging.root.level = root


@pytest.fixture
def progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress.jsonl"))
    return tmp_path / "progress.jsonl"


def test_a_step_tells_when_it_started_and_finished(progress: Path) -> None:
    with step("evaluate"):
        pass
    assert [line["event"] for line in read_lines(progress)] == ["started", "finished"]


def test_a_failure_is_told_in_its_own_words_and_travels_on(progress: Path) -> None:
    with pytest.raises(DataError), step("evaluate"):
        raise DataError("scores are gone", fix="evaluate again")
    line = read_lines(progress)[-1]
    assert (line["event"], line["message"]) == ("failed", "scores are gone; evaluate again")


def test_sigterm_lets_the_step_clean_up(progress: Path) -> None:
    cleaned = []
    with pytest.raises(SystemExit), step("evaluate"):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)
    assert cleaned
    assert read_lines(progress)[-1]["message"] == "stopped by a signal"


def test_without_a_progress_file_a_step_just_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with step("evaluate"):
        pass
