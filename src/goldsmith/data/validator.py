"""The data validator in front of training: streams a data set, names every defect, stops on errors.

Memory does not grow with the file: lines are read one at a time, keys and signatures of duplicates
go to temporary files, lists are capped. Replays cost most, so a sample of `validate_data.replay`
trajectories is replayed, always the same ones (`defects/replay.py`).
"""

from __future__ import annotations

import json
import logging
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from goldsmith.config.run import RunContext, ValidateDataConfig
from goldsmith.data.datasets import WRITE_AGAIN
from goldsmith.data.defects import (
    balance,
    keys,
    lines,
    manifest,
    near_duplicates,
    replay,
    schema,
    steps,
    text,
)
from goldsmith.data.defects.catalogue import Problem, Problems
from goldsmith.data.report import Report
from goldsmith.data.trajectories import Trajectory, from_json
from goldsmith.errors import ConfigError, ConflictError, DataError, IntegrityError, NotFoundError
from goldsmith.observability.progress import Progress
from goldsmith.store.directories import fetch_directory
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import canonical
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once
from goldsmith.tasks.domain import Domain, Split, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.registry import find_domain
from goldsmith.tasks.verification import VerifierPool

log = logging.getLogger(__name__)

TRAJECTORIES, LORE = "trajectories.jsonl", "lore.jsonl"
HELD_OUT: tuple[Split, ...] = ("valid", "test")
PER_TASK = 4
"""Accepted trajectories of one task that are no reason to ask."""


def validate_data(run: RunContext, config: ValidateDataConfig, *, dataset: str) -> str:
    """Check the data set of a run and return its reference; DataError naming the first error.

    The report is `runs/<run_id>/validation.json`, also when the data set is refused.
    """

    def work() -> dict[str, Any]:
        store = open_store(run.store)
        with tempfile.TemporaryDirectory() as folder:
            try:
                fetch_directory(store, dataset, Path(folder))
            except (NotFoundError, IntegrityError) as error:
                raise DataError(
                    f"data set {dataset} cannot be read", why=str(error), fix=WRITE_AGAIN
                ) from error
            report = validate_file(Path(folder), config, name=dataset)
        report_key = run_key(run.run_id, "validation.json")
        store_report(store, report_key, report)
        for finding in report.findings:
            log.warning("%s: %s", finding.kind.severity, finding)
        report.stop_the_line()
        return {"dataset": dataset, "report": report_key}

    inputs = {"config": config.model_dump(mode="json"), "dataset": dataset}
    return str(once(run, "validate_data", inputs, work)["dataset"])


def store_report(store: ObjectStore, key: str, report: Report) -> None:
    """Write the report; one of an earlier try of the same run gives way."""
    data = canonical(report.as_json())
    try:
        store.create(key, data)
    except ConflictError:
        store.replace(key, data, tag=store.get_tagged(key)[1])


def validate_file(
    path: Path,
    config: ValidateDataConfig | None = None,
    *,
    judge: replay.Judge | None = None,
    name: str = "",
) -> Report:
    """The report on a file of trajectories or the folder of a data set.

    `judge` replays trajectories (default: a verifier process of its own); `name` is what the report
    calls the data set. `manifest.json` and `lore.jsonl` beside the file are used if they are there.
    """
    file = path / TRAJECTORIES if path.is_dir() else path
    report = Report(name or str(path))
    if not file.is_file():
        report.add(file.name, 0, [("missing-file", f"there is no {file.name}")])
        return report
    with ExitStack() as stack:
        if judge is None:
            judge = stack.enter_context(VerifierPool()).outcomes
        check = stack.enter_context(closing(_Check(file, config or ValidateDataConfig(), report)))
        check.run(judge)
    return report


class _Check:
    """The state of one pass over a file."""

    def __init__(self, file: Path, config: ValidateDataConfig, report: Report) -> None:
        self.file, self.config, self.report = file, config, report
        self.balance = balance.Balance()
        self.ids, self.contents, self.tasks = keys.KeyLog(), keys.KeyLog(), keys.KeyLog()
        self.near = near_duplicates.NearDuplicates()
        self.offsets, self.numbers = array("Q"), array("Q")
        self.seen_levels: set[tuple[str, str]] = set()
        self.sample = replay.Sample(config.replay)

    def run(self, judge: replay.Judge) -> None:
        """Manifest, records, then what only the whole shows."""
        told, unbelievable = manifest.read(self.file.parent)
        if unbelievable:
            self.report.add(manifest.MANIFEST, 0, [("invalid-manifest", unbelievable)])
        for name, message in manifest.others(told, self.file.parent, self.file.name):
            self.report.add(name, 0, [("hash-mismatch", message)])
        lore = read_lore(self.file.parent / LORE, self.report)
        reader, progress = lines.LineReader(self.file), Progress("validate_data")
        size = self.file.stat().st_size
        for line in reader:
            self.add(line.number, line.problems)
            if line.text is not None:
                self.record(line, lore)
            if line.number % 10_000 == 0:
                progress.update(line.offset, size, text=f"{line.number} records")
        if not self.report.records:
            self.add(0, [("empty-file", "it holds no record")])
        found = manifest.against(
            told, self.file.name, sha256=reader.sha256, records=self.report.records
        )
        self.add(0, found)
        progress.update(size, size, text="comparing records")
        self.whole()
        for replayed in self.replay(judge):
            progress.update(size, size, text=f"{replayed} records replayed")
        progress.update(size, size, text=f"{self.report.records} records")

    def add(self, line: int, problems: Sequence[Problem] | Problems) -> bool:
        """Note problems of a line of this file."""
        return self.report.add(self.file.name, line, problems)

    def record(self, line: lines.Line, lore: dict[str, bytes]) -> None:
        """All that one line shows."""
        self.report.records += 1
        value, problems = schema.parse(line.text or "")
        if self.add(line.number, problems or schema.form(value)):
            return
        trajectory = from_json(value)
        self.remember(line, trajectory)
        bad = self.add(line.number, self.belongs(trajectory))
        bad |= self.add(line.number, self.inside(trajectory, lore))
        if not bad:
            key = steps.digest(trajectory.trajectory_id)
            self.sample.add(key, len(self.numbers) - 1)

    def remember(self, line: lines.Line, trajectory: Trajectory) -> None:
        """What is compared at the end."""
        number = len(self.offsets)
        self.offsets.append(line.offset)
        self.numbers.append(line.number)
        self.balance.add(trajectory)
        self.ids.add(steps.digest(trajectory.trajectory_id), number)
        self.contents.add(_content(trajectory), number)
        self.tasks.add(task_key(trajectory.task), number)
        self.near.add(number, trajectory.transcript)

    def belongs(self, trajectory: Trajectory) -> Problems:
        """Domain, level and split."""
        task = trajectory.task
        try:
            domain = find_domain(task.domain)
        except ConfigError as error:
            yield "unknown-domain", str(error)
            return
        if task.level in domain.levels:
            self.seen_levels.add((task.domain, task.level))
        else:
            yield "unknown-level", f"{task.level!r} is no level of {task.domain}"
        if task.split != "train":
            yield "wrong-split", f"the task belongs to {task.split!r}"

    def inside(self, trajectory: Trajectory, lore: dict[str, bytes]) -> Problems:
        """Everything that one record shows by itself."""
        yield from text.unsafe(list(steps.texts(trajectory)))
        yield from steps.steps(trajectory)
        yield from steps.lore(trajectory.transcript, lore)
        yield from steps.budget(trajectory.transcript, self.config.max_tokens)
        yield from steps.verdict(trajectory)

    def whole(self) -> None:
        """Duplicates, leaks and balance."""
        repeated = bytearray(len(self.offsets))
        for defect, log_ in (("duplicate-id", self.ids), ("exact-duplicate", self.contents)):
            for first, *others in log_.groups():
                for number in others:
                    repeated[number] = 1
                    self.add(self._line(number), [(defect, f"as in line {self._line(first)}")])
        for number in sorted(self.tasks.having(self._held_out())):
            message = "its task is in the validation or test split"
            self.add(self._line(number), [("leak-between-splits", message)])
        for group in self.tasks.groups():
            if len(group) > PER_TASK:
                message = f"{len(group)} trajectories of one task, from this line on"
                self.add(self._line(group[0]), [("repeated-task", message)])
        for later, earlier in self.near.pairs(self.config.near_duplicate_threshold, self._overlap):
            if not repeated[later]:
                message = f"almost as line {self._line(earlier)}"
                self.add(self._line(later), [("near-duplicate", message)])
        self.add(0, self.balance.problems(self.config.max_class_share))

    def replay(self, judge: replay.Judge) -> Iterator[int]:
        """The chosen trajectories, in batches; how many are done."""
        numbers = self.sample.numbers()
        for start in range(0, len(numbers), replay.BATCH):
            batch = numbers[start : start + replay.BATCH]
            found = replay.replay([self._read(number) for number in batch], judge)
            self.report.replayed += len(batch)
            for number, problems in zip(batch, found, strict=True):
                self.add(self._line(number), problems)
            yield self.report.replayed

    def _held_out(self) -> Iterator[bytes]:
        """Keys of evaluation tasks of the levels that occur."""
        for name, level in sorted(self.seen_levels):
            yield from held_out_keys(find_domain(name), level, self.config.held_out_tasks)

    def _line(self, number: int) -> int:
        return self.numbers[int(number)]

    def _read(self, number: int) -> Trajectory:
        """A sound record, read again."""
        with self.file.open("rb") as file:
            file.seek(self.offsets[number])
            data = file.readline()
        line = lines.read_line(data, self._line(number), self.offsets[number], size=len(data))
        return from_json(json.loads(line.text or ""))

    def _overlap(self, one: int, other: int) -> float:
        """Exact overlap of two records."""
        found = (near_duplicates.shingles(self._read(n).transcript) for n in (one, other))
        return near_duplicates.jaccard(*found)

    def close(self) -> None:
        """Remove the temporary files."""
        for part in (self.ids, self.contents, self.tasks, self.near):
            part.close()


def task_key(task: Task) -> bytes:
    """What makes two tasks one: what they are built from, or else the prompt."""
    made_of = canonical(task.data).decode() if task.data else task.prompt
    return steps.digest(f"{task.domain} {task.level} {made_of}")


def held_out_keys(domain: Domain, level: str, count: int) -> Iterator[bytes]:
    """Keys of the first tasks of the splits that training must not see."""
    for split in HELD_OUT:
        guard = Guard(domain.name, f"{count} tasks of level {level}")
        yield from map(task_key, guard.call(domain.tasks, level, split, count))


def read_lore(path: Path, report: Report) -> dict[str, bytes]:
    """Passage id to digest of its text; {} without a lore pack."""
    pack: dict[str, bytes] = {}
    for line in lines.LineReader(path) if path.is_file() else ():
        value, problems = schema.parse(line.text or "null")
        report.add(path.name, line.number, (*line.problems, *problems))
        if isinstance(value, dict) and isinstance(value.get("text"), str):
            pack[str(value.get("passage_id"))] = steps.digest(value["text"])
            report.add(path.name, line.number, text.unsafe([value["text"]]))
        elif not problems:
            report.add(path.name, line.number, [("wrong-type", "it is no passage")])
    return pack


def _content(trajectory: Trajectory) -> bytes:
    """A key of all that is learnt from: prompt, first sight and turns."""
    parts = [trajectory.transcript.prompt, trajectory.transcript.first_observation]
    for turn in trajectory.transcript.turns:
        parts += [turn.step.reasoning, turn.step.action, *turn.step.citations, turn.observation]
    return steps.digest("\0".join(parts))
