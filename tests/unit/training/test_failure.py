"""Why a training process ended: its class, its exit code, and the cause among several."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldsmith.errors import (
    ArtefactError,
    ConfigError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    StoreError,
)
from goldsmith.observability.metrics import MetricsWriter
from goldsmith.training.failure import Failure, cause, classify, from_json, report, root_cause


class DistBackendError(RuntimeError):
    """As torch names it."""


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


AWAY = StoreError("cannot read k", why="EndpointConnectionError (no route)")
DENIED = StoreError("cannot read k", why="AccessDenied (no)")
CLASSES = [
    pytest.param(AWAY, 0, "store", id="store away"),
    pytest.param(StoreError("cannot write", why="SlowDown (503)"), 0, "store", id="throttled"),
    pytest.param(DENIED, 0, "denied", id="no right"),
    pytest.param(ConfigError("x"), 9, "work", id="configuration"),
    pytest.param(ArtefactError("x"), 0, "work", id="model"),
    pytest.param(IntegrityError("x"), 0, "work", id="damaged"),
    pytest.param(NotFoundError("x"), 0, "work", id="missing"),
    pytest.param(ConflictError("x"), 0, "unknown", id="somebody was first"),
    pytest.param(OutOfMemoryError("CUDA out of memory"), 7, "cuda-oom", id="GPU memory"),
    pytest.param(DistBackendError("NCCL error"), 7, "peer", id="nccl"),
    pytest.param(
        RuntimeError("[gloo] Connection closed by peer [10.0.0.1]:5"), 0, "peer", id="gloo"
    ),
    pytest.param(KeyError("x"), 0, "work", id="code that fails at once"),
    pytest.param(KeyError("x"), 7, "unknown", id="code that failed later"),
    pytest.param(RuntimeError("CUDA error: uncorrectable ECC"), 0, "unknown", id="hardware"),
]


@pytest.mark.parametrize(("error", "step", "expected"), CLASSES)
def test_an_exception_has_a_class(error: Exception, step: int, expected: str) -> None:
    assert classify(error, step=step) == expected


@pytest.mark.parametrize("kind", ["preempted", "peer", "store", "host-oom", "unknown"])
def test_what_may_pass_leaves_with_128_or_more(kind: str) -> None:
    assert Failure(kind, "").exit_code >= 128  # type: ignore[arg-type]  # a FailureClass


@pytest.mark.parametrize("kind", ["cuda-oom", "denied", "work"])
def test_what_would_fail_again_leaves_with_less(kind: str) -> None:
    assert 0 < Failure(kind, "").exit_code < 128  # type: ignore[arg-type]  # a FailureClass


def test_a_report_is_one_line_and_is_read_back() -> None:
    failure = Failure("store", "a\nb", rank=3, step=7)
    assert "\n" not in failure.to_json()
    assert from_json(failure.to_json()) == Failure("store", "a b", rank=3, step=7)


@pytest.mark.parametrize("text", ["", "Traceback", "{}", "[]", '{"class": "store"}'])
def test_other_text_is_no_report(text: str) -> None:
    assert from_json(text) is None


def test_a_report_says_rank_and_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    MetricsWriter(tmp_path / "metrics.jsonl").write({"step": 5})
    report(AWAY, tmp_path)
    assert cause(tmp_path, 1) == Failure("store", str(AWAY), rank=1, step=5)


def test_a_rank_that_says_nothing_may_be_tried_again(tmp_path: Path) -> None:
    failure = cause(tmp_path, 1)
    assert failure.retryable
    assert "without a word" in failure.message


def test_a_broken_connection_is_a_consequence_and_what_cannot_pass_comes_first() -> None:
    peer, lost, bad = Failure("peer", "p"), Failure("store", "s"), Failure("work", "w")
    assert root_cause([peer, lost, bad]) == bad
    assert root_cause([peer, lost]) == lost
    assert root_cause([peer]) == peer
