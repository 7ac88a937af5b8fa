"""Why a training process ended: its class, and whether the same job can succeed on a second try.

torchrun hides a worker's exit code and exits 1 itself. So each rank leaves a report in the scratch
folder, and whoever started torchrun (the local launcher, or a pod's entry point) picks the cause
among them: a peer's broken connection is a consequence, not a cause.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from goldsmith.errors import (
    ConflictError,
    GoldsmithError,
    IntegrityError,
    NotFoundError,
    StoreError,
)
from goldsmith.observability.metrics import read_metrics

FailureClass = Literal[
    "preempted",  # SIGTERM: a node that goes away, or a person
    "peer",  # another process of the job is gone
    "store",  # the store is away
    "hang",  # no word for longer than the job may be silent
    "host-oom",  # killed for lack of the machine's memory
    "cuda-oom",  # the accelerator's memory
    "denied",  # the store says no
    "work",  # configuration, data, model, or code that fails at once: it would fail again
    "unknown",
]
RETRYABLE: frozenset[str] = frozenset({"preempted", "peer", "store", "hang", "host-oom", "unknown"})

PERMANENT_CODE = 1
RETRY_CODE = 138
"""128 + SIGUSR1, by the training operator's convention a user's own retryable code."""
PREEMPTED_CODE = 143

_LONGEST = 2000
"""Characters of a message; a termination log holds 4096 bytes."""
_NO_RIGHT = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "403")
_PEER_WORDS = (
    "connection closed by peer",
    "connection reset by peer",
    "broken pipe",
    "nccl",
    "gloo",
)


@dataclass(frozen=True)
class Failure:
    """What one process, or a job as a whole, failed of."""

    kind: FailureClass
    message: str
    rank: int = 0
    step: int = 0
    """The last update that was finished."""

    @property
    def retryable(self) -> bool:
        """Whether the same job may succeed if it is started again."""
        return self.kind in RETRYABLE

    @property
    def exit_code(self) -> int:
        """At least 128 if a second try makes sense."""
        if self.kind == "preempted":
            return PREEMPTED_CODE
        return RETRY_CODE if self.retryable else PERMANENT_CODE

    def to_json(self) -> str:
        """One line that fits into a termination log: class, rank, step, message."""
        values = asdict(self) | {"message": " ".join(self.message.split())[:_LONGEST]}
        return json.dumps({"class": values.pop("kind"), **values})


def from_json(text: str) -> Failure | None:
    """The failure that such a line tells of; None for any other text."""
    try:
        values = json.loads(text)
        return Failure(
            kind=values["class"],
            message=str(values["message"]),
            rank=int(values["rank"]),
            step=int(values["step"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def classify(error: Exception, *, step: int = 0) -> FailureClass:
    """The class of an exception after `step` updates, by its type and words."""
    words = f"{type(error).__name__}: {error}".lower()
    match error:
        case ConflictError():
            return "unknown"  # somebody else was first; a second try reads what is there
        case NotFoundError() | IntegrityError():
            return "work"
        case StoreError():
            return "denied" if error.why.startswith(_NO_RIGHT) else "store"
        case GoldsmithError():
            return "work"
    if "outofmemoryerror" in words or "cuda out of memory" in words:
        return "cuda-oom"
    if any(word in words for word in _PEER_WORDS):
        return "peer"
    return "unknown" if step or "cuda error" in words else "work"


def report(error: Exception, scratch: Path) -> Failure:
    """Write down what this rank failed of, for whoever started it."""
    known = isinstance(error, GoldsmithError)
    message = str(error) if known else f"{type(error).__name__}: {error}"
    rows = read_metrics(scratch / "metrics.jsonl")
    step = int(rows[-1]["step"]) if rows else 0
    failure = Failure(
        kind=classify(error, step=step),
        message=message,
        rank=int(os.environ.get("RANK", "0")),
        step=step,
    )
    file = scratch / f"failure-{failure.rank}.json"
    file.write_text(failure.to_json(), encoding="utf-8")
    return failure


def cause(scratch: Path, code: int) -> Failure:
    """What the ranks of this machine failed of, from their reports and torchrun's exit code."""
    files = sorted(scratch.glob("failure-*.json"), key=lambda path: path.stat().st_mtime_ns)
    reports = [from_json(path.read_text(encoding="utf-8")) for path in files]
    found = [failure for failure in reports if failure]
    if not found:
        message = f"a process ended without a word, perhaps for lack of memory (exit code {code})"
        return Failure("unknown", message)
    return root_cause(found)


def root_cause(failures: list[Failure]) -> Failure:
    """The first that is not the consequence of another; what cannot be mended comes first."""
    return min(failures, key=lambda failure: (failure.kind == "peer", failure.retryable))
