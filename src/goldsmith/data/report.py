"""The data validator's report: findings, kept to a readable number, and full counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from goldsmith.data.defects.catalogue import KINDS, Finding, Problem
from goldsmith.errors import DataError

MAX_PER_KIND = 50
"""Findings told of one kind; the counts tell of all."""
MAX_MESSAGE = 300


class Report:
    """What was found in one data set."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.counts: Counter[str] = Counter()
        self.records = 0
        self.replayed = 0
        self._findings: list[Finding] = []

    def add(self, file: str, line: int, problems: Iterable[Problem]) -> bool:
        """Note the problems of one place; whether there were errors among them."""
        bad = False
        for defect, message in problems:
            self.counts[defect] += 1
            bad |= KINDS[defect].severity == "error"
            if self.counts[defect] <= MAX_PER_KIND:
                plain = message.encode("utf-8", "backslashreplace").decode()
                self._findings.append(Finding(file, line, defect, plain[:MAX_MESSAGE]))
        return bad

    @property
    def findings(self) -> list[Finding]:
        """Errors first, then by place."""
        return sorted(self._findings, key=lambda f: (f.kind.severity != "error", f.file, f.line))

    @property
    def errors(self) -> int:
        """How many defects stop the line."""
        return sum(n for defect, n in self.counts.items() if KINDS[defect].severity == "error")

    @property
    def warnings(self) -> int:
        """How many do not."""
        return self.counts.total() - self.errors

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "dataset": self.dataset,
            "records": self.records,
            "replayed": self.replayed,
            "errors": self.errors,
            "warnings": self.warnings,
            "counts": dict(sorted(self.counts.items())),
            "not_listed": self.counts.total() - len(self._findings),
            "defects": [finding.as_json() for finding in self.findings],
        }

    def as_text(self) -> str:
        """For people: a line a finding, then a summary."""
        lines = [f"{f.kind.severity}: {f}; {f.kind.remedy}" for f in self.findings]
        unlisted = self.counts.total() - len(lines)
        more = [f"and {unlisted} more of the same kinds"] if unlisted else []
        total = f"{self.dataset}: {self.records} records, {self.replayed} replayed, "
        return "\n".join([*lines, *more, f"{total}{self.errors} errors, {self.warnings} warnings"])

    def stop_the_line(self) -> None:
        """DataError naming the first error's file, line and remedy, if there is one."""
        if self.errors:
            first = self.findings[0]
            others = f" ({self.errors - 1} more errors)" if self.errors > 1 else ""
            raise DataError(
                f"data set {self.dataset} is not fit for training",
                why=f"{first}{others}",
                fix=first.kind.remedy,
            )
