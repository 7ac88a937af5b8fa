"""Every kind of defect: its id, whether it stops the line, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
Problem = tuple[str, str]
"""(id of the kind, message)."""
Problems = Iterator[Problem]


@dataclass(frozen=True)
class Kind:
    """One kind of defect."""

    defect: str
    severity: Severity
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One defect in one place."""

    file: str
    line: int
    """1-based; 0 for the file as a whole."""
    defect: str
    message: str

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return KINDS[self.defect]

    def as_json(self) -> dict[str, str | int]:
        """For the report."""
        return {
            "file": self.file,
            "line": self.line,
            "defect": self.defect,
            "severity": self.kind.severity,
            "message": self.message,
            "remedy": self.kind.remedy,
        }

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.defect}: {self.message}"


AGAIN = "collaborate again"
_ERRORS = {
    # The file.
    "missing-file": f"give the path of a data set, or {AGAIN}",
    "empty-file": f"{AGAIN}: no attempt was accepted",
    "truncated-file": "copy the file again; the last line was cut off",
    "byte-order-mark": "save the file as UTF-8 without a byte order mark",
    "invalid-utf8": "save the file as UTF-8",
    "control-characters": "remove the control characters",
    "overlong-line": "split or drop the record",
    # The manifest.
    "invalid-manifest": "fetch the data set again",
    "hash-mismatch": "fetch the data set again; somebody changed the file",
    "count-mismatch": "fetch the data set again; records were lost or added",
    # The record's form.
    "invalid-json": "write one JSON object a line",
    "duplicate-key": "write each key once",
    "not-a-number": "write finite numbers only",
    "missing-field": "write records with goldsmith.data.trajectories",
    "unknown-field": "write records with goldsmith.data.trajectories",
    "wrong-type": "write records with goldsmith.data.trajectories",
    "schema-version": "convert the data set, or use the Goldsmith version that wrote it",
    "score-range": "scores lie between 0 and 1",
    "attempt-range": "attempts count from 1 to 10",
    # What it belongs to.
    "unknown-domain": "install the domain, or drop the record",
    "unknown-level": "use a level of the domain",
    "wrong-split": "train on the train split only",
    "leak-between-splits": "drop the record: its task is held out for evaluation",
    "duplicate-id": "give every trajectory an id of its own",
    "exact-duplicate": "keep one of the two",
    # The steps.
    "no-steps": f"drop the record, or {AGAIN}",
    "empty-action": "every step needs an action",
    "multi-line-action": "write one command a step",
    "empty-reasoning": "every step needs its reasoning",
    "think-tags": "leave <think> to the renderer",
    "step-form": "trim the step: it must read back as it was written",
    "prompt-mismatch": "the transcript must begin with the task's own prompt",
    "unknown-citation": "cite only passages that A returned",
    "altered-lore": "passages must be those of the data set's lore.jsonl",
    "over-token-budget": "drop the record or raise validate_data.max_tokens",
    # The verdict.
    "unsolved-trajectory": "keep rejected attempts in attempts.jsonl",
    "proof-length": f"{AGAIN}: a proof has one state more than there are steps",
    "wrong-proof": f"{AGAIN}: the replay reaches other states",
    "illegal-action": "drop the record: the replay rejects a step",
    "wrong-outcome": "drop the record: the replay does not end solved",
    # Unsafe text.
    "special-token": "remove text that a tokenizer takes for a control token",
    "prompt-injection": "remove text that gives orders to a model",
    "invisible-characters": "remove zero-width and direction characters",
    "replacement-character": "decode the source with its real encoding",
    "secret-in-text": "remove and revoke the secret",
    "personal-data": "replace personal data by a placeholder",
}
_WARNINGS = {
    "blank-line": "remove empty lines",
    "carriage-return": "end lines with a line feed alone",
    "mojibake": "decode the source as UTF-8",
    "not-normalised": "normalise text to NFC",
    "no-lore": "let A return passages",
    "repeated-passage": "let A return each passage once",
    "near-duplicate": "keep one of the two",
    "repeated-task": "keep few trajectories of one task",
    "skewed-actions": "mix in tasks that need other actions",
    "constant-answer": "mix in tasks with other solutions",
    "too-few-records": "make more trajectories",
    "imbalanced-levels": "make more trajectories of the rare level",
}
KINDS = {
    **{defect: Kind(defect, "error", remedy) for defect, remedy in _ERRORS.items()},
    **{defect: Kind(defect, "warning", remedy) for defect, remedy in _WARNINGS.items()},
}
"""Id to kind."""
