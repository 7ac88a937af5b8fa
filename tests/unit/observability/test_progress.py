"""Progress and metrics as lines in a file."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from goldsmith.observability.metrics import MetricsWriter, read_metrics
from goldsmith.observability.progress import Progress, read_lines


def test_progress_goes_to_the_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDSMITH_PROGRESS", str(tmp_path / "progress.jsonl"))
    Progress("train_srl").update(3, 60, text="reward 0.4", metrics={"reward": 0.4})
    (line,) = read_lines(tmp_path / "progress.jsonl")
    assert line.pop("t") > 1e9
    assert line == {
        "step": "train_srl",
        "done": 3,
        "total": 60,
        "text": "reward 0.4",
        "metrics": {"reward": 0.4},
    }


def test_progress_without_a_file_only_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("GOLDSMITH_PROGRESS", raising=False)
    with caplog.at_level("INFO"):
        Progress("evaluate").update(1, 2, text="hard")
    assert caplog.messages == ["evaluate 1/2 hard"]


def test_a_long_unit_tells_its_last_line_again_but_not_at_every_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDSMITH_PROGRESS", str(tmp_path / "progress.jsonl"))
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0])
    monkeypatch.setattr("goldsmith.observability.progress.time", clock)
    progress = Progress("collaborate")
    progress.repeat()  # nothing to repeat yet
    progress.update(3, 60, text="hard task accepted")
    for _ in range(24):
        now[0] += 1
        progress.repeat()
    lines = read_lines(tmp_path / "progress.jsonl")
    assert [line["t"] for line in lines] == [100.0, 111.0, 122.0]
    assert {(line["done"], line["text"]) for line in lines} == {(3, "hard task accepted")}


def test_metrics_survive_a_line_torn_by_a_kill(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path / "deep" / "metrics.jsonl")
    writer.write({"step": 1, "reward": 0.5})
    writer.write({"step": 2, "reward": 0.6})
    writer.path.write_bytes(writer.path.read_bytes() + b'{"step": 3, "rew')
    assert [line["step"] for line in read_metrics(writer.path)] == [1, 2]
    assert read_metrics(tmp_path / "none") == []
