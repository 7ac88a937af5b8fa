"""The scores document: what candidate and live model did on the same games, suite by suite.

`evaluate` writes it, `quality_gate` and the report read it. Reading is strict about what decides
(names, roles, margins, wins of 0 or 1) and ignores keys that it does not know.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

Side = Literal["candidate", "live"]
SIDES: tuple[Side, Side] = ("candidate", "live")


class Record(BaseModel):
    """Base of every part of the document."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Plays(Record):
    """One model's episodes on one task."""

    wins: tuple[Literal[0, 1], ...] = Field(min_length=1)
    """One a sample; 1 only if the verifier says that the task is solved."""
    greedy: Literal[0, 1]
    """The same for the one episode played without sampling."""
    tokens: NonNegativeInt = 0
    """Generated in all sampled episodes."""
    turns: NonNegativeInt = 0
    malformed: NonNegativeInt = 0
    """Sampled episodes that ended in an answer which is no step."""
    truncated: NonNegativeInt = 0
    """Sampled episodes cut off by the token or turn limit."""
    illegal: NonNegativeInt = 0
    """Sampled episodes with an action that was not admissible."""
    refused: NonNegativeInt = 0
    """Wins that the player claimed and the verifier refused."""


class TaskScores(Record):
    """Both models on one task."""

    task_id: str
    level: str = ""
    tags: dict[str, str] = {}
    candidate: Plays
    live: Plays


class VerbScore(Record):
    """How often the episodes did what the reference does, for commands that begin with one verb."""

    expected: NonNegativeInt
    """Reference commands with this verb, over all sampled episodes."""
    done: NonNegativeInt
    """Those that the episode contains."""


class SuiteScores(Record):
    """One suite: its declaration and every task's wins."""

    name: str = Field(min_length=1)
    level: str = ""
    role: Literal["target", "regression"]
    margin: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    games: PositiveInt
    """Declared; the gate refuses a suite that played another number."""
    tasks: tuple[TaskScores, ...]
    verbs: dict[Side, dict[str, VerbScore]] = {}

    def wins(self, side: Side) -> npt.NDArray[np.int64]:
        """Wins of one model, shape (tasks, samples); ValueError if the rows differ in length."""
        return np.array([getattr(task, side).wins for task in self.tasks], dtype=np.int64)

    def greedy(self, side: Side) -> tuple[int, int]:
        """Greedy wins and games of one model."""
        return sum(getattr(task, side).greedy for task in self.tasks), len(self.tasks)


class Scores(Record):
    """Everything that `evaluate` measured."""

    candidate: str = ""
    """Reference of the model under test."""
    live: str = ""
    """Reference of the model that serves now."""
    live_version: str = ""
    temperature: float = 1.0
    suites: tuple[SuiteScores, ...] = ()
