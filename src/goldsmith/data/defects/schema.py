"""One line of JSON to one record in the form of `data/trajectories.py`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goldsmith.data.defects.catalogue import Problem, Problems
from goldsmith.data.trajectories import SCHEMA_VERSION

MAX_SHOWN = 5
"""Problems told per record."""


class Record(BaseModel):
    """Base of the parts: nothing is converted, nothing is extra."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TaskRecord(Record):
    """`tasks.domain.Task`."""

    task_id: Annotated[str, Field(min_length=1, max_length=500)]
    domain: str
    level: str
    split: str
    seed: int
    prompt: Annotated[str, Field(min_length=1)]
    data: dict[str, Any]
    tags: dict[str, str]


class StepRecord(Record):
    """`tasks.transcript.Step`."""

    reasoning: str
    action: str
    citations: list[str]


class TurnRecord(Record):
    """`tasks.transcript.Turn`."""

    step: StepRecord
    observation: str


class TranscriptRecord(Record):
    """`tasks.transcript.Transcript`."""

    prompt: str
    passages: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    first_observation: str
    turns: list[TurnRecord]


class OutcomeRecord(Record):
    """`tasks.domain.Outcome`."""

    solved: bool
    score: Annotated[float, Field(ge=0, le=1)]
    reason: str
    failed_step: int | None
    proof: list[Annotated[str, Field(max_length=200)]]


class TrajectoryRecord(Record):
    """`data.trajectories.Trajectory`."""

    schema_version: Literal[1]
    trajectory_id: Annotated[str, Field(min_length=1, max_length=500)]
    task: TaskRecord
    transcript: TranscriptRecord
    outcome: OutcomeRecord
    attempt: Annotated[int, Field(ge=1, le=10)]


class _Bad(Exception):
    """Carries a problem out of the JSON parser's hooks."""


def parse(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """The JSON value of a line, or None and why it has none."""
    try:
        return _DECODER.decode(text), ()
    except _Bad as bad:
        return None, (bad.args[0],)
    except RecursionError:
        return None, (("invalid-json", "it is nested too deeply"),)
    except ValueError as error:
        return None, (("invalid-json", str(error)[:200]),)


def form(value: Any) -> Problems:
    """What is wrong with the form of a parsed record."""
    if isinstance(value, dict):
        version = value.get("schema_version", SCHEMA_VERSION)
        if type(version) is int and version != SCHEMA_VERSION:
            yield "schema-version", f"version {version}, not {SCHEMA_VERSION}"
            return
    try:
        TrajectoryRecord.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False)[:MAX_SHOWN]:
            place = ".".join(map(str, detail["loc"])) or "the record"
            yield _defect(detail["type"], place), f"{place}: {detail['msg']}"


def _defect(kind: str, place: str) -> str:
    """Our id for pydantic's."""
    if kind == "missing":
        return "missing-field"
    if kind == "extra_forbidden":
        return "unknown-field"
    if kind in ("greater_than_equal", "less_than_equal"):
        return "attempt-range" if place == "attempt" else "score-range"
    return "not-a-number" if kind == "finite_number" else "wrong-type"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Bad(("duplicate-key", f"a key occurs twice among {sorted(value)[:8]}"))
    return value


def _constant(name: str) -> Any:
    raise _Bad(("not-a-number", f"{name} is no JSON number"))


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
