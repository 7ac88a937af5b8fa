"""Expert trajectories: what A, B and C write and training reads, one JSON line each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldsmith.tasks.domain import Outcome, Task
from goldsmith.tasks.transcript import Step, Transcript, Turn

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Trajectory:
    """One attempt of B at one task, with C's verdict; accepted ones are training data."""

    trajectory_id: str
    task: Task
    transcript: Transcript
    outcome: Outcome
    attempt: int
    """1-based."""

    @property
    def accepted(self) -> bool:
        """C says it is solved."""
        return self.outcome.solved


def to_json(trajectory: Trajectory) -> dict[str, Any]:
    """The record as JSON values."""
    return {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(trajectory)}


def from_json(record: Mapping[str, Any]) -> Trajectory:
    """The record back as data; raises KeyError or TypeError if fields are missing or unknown."""
    transcript = record["transcript"]
    turns = tuple(
        Turn(
            Step(t["step"]["reasoning"], t["step"]["action"], tuple(t["step"]["citations"])),
            t["observation"],
        )
        for t in transcript["turns"]
    )
    outcome = dict(record["outcome"])
    return Trajectory(
        trajectory_id=record["trajectory_id"],
        task=Task(**record["task"]),
        transcript=Transcript(
            prompt=transcript["prompt"],
            passages=tuple((i, text) for i, text in transcript["passages"]),
            first_observation=transcript["first_observation"],
            turns=turns,
        ),
        outcome=Outcome(**{**outcome, "proof": tuple(outcome["proof"])}),
        attempt=record["attempt"],
    )


def write_jsonl(path: Path, trajectories: Iterable[Trajectory]) -> int:
    """Write a line a trajectory, keys sorted so that equal data has equal bytes; the count."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for trajectory in trajectories:
            file.write(json.dumps(to_json(trajectory), ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[Trajectory]:
    """The trajectories of a file, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield from_json(json.loads(line))
