"""What a step tells about itself."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldsmith.config.load import load_config
from goldsmith.config.run import RegisterConfig
from goldsmith.errors import ConfigError, DataError
from goldsmith.observability.progress import VARIABLE, read_lines
from goldsmith.pipeline.step import step

RUN = {"run_id": "r", "store": "/s", "domain": "cooking", "tier": "silver", "seed": 3}


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
    with step("evaluate", RUN):
        pass
    assert [line["event"] for line in read_lines(progress)] == ["started", "finished"]


def test_a_failure_is_told_in_its_own_words_and_travels_on(progress: Path) -> None:
    with pytest.raises(DataError), step("evaluate", RUN):
        raise DataError("scores are gone", fix="evaluate again")
    line = read_lines(progress)[-1]
    assert (line["event"], line["message"]) == ("failed", "scores are gone; evaluate again")


def test_sigterm_lets_the_step_clean_up(progress: Path) -> None:
    cleaned = []
    with pytest.raises(SystemExit), step("evaluate", RUN):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)
    assert cleaned
    assert read_lines(progress)[-1]["message"] == "stopped by a signal"


def test_without_a_progress_file_a_step_just_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with step("evaluate", RUN):
        pass


def test_what_a_run_leaves_out_comes_from_its_profile() -> None:
    with step("train_srl", {"run_id": "r", "store": "/s", "profile": "smoke"}) as this:
        assert (this.run.domain, this.run.tier, this.run.seed) == ("cooking", "gold", 0)
        assert this.section({}) == load_config("smoke").srl


def test_a_section_that_is_given_is_taken_whole() -> None:
    with step("register", RUN) as this:
        assert this.section({"keep_held": False}) == RegisterConfig(keep_held=False)


def test_a_run_of_a_file_of_its_own_needs_no_profile_of_that_name() -> None:
    with step("evaluate", {**RUN, "profile": "mine"}) as this:
        assert this.run.profile == "mine"


def test_a_mistake_in_a_section_names_the_key(progress: Path) -> None:
    with pytest.raises(ConfigError, match=r"srl\.updates"), step("train_srl", RUN) as this:
        this.section({"updates": 0})
    assert read_lines(progress)[-1]["event"] == "failed"
