"""What a domain gives: lore, tasks with disjoint splits, an environment, a teacher, a verifier.

A third domain is one module with a `Domain` subclass and one entry point in the group
`goldsmith.domains`. Everything that crosses this interface is plain, frozen data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from goldsmith.tasks.transcript import Step, Transcript

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Passage:
    """One piece of lore that retriever A can find."""

    passage_id: str
    title: str
    text: str
    kind: str = "lore"
    """`rule`, `cookbook`, `preparation`, `distractor`, ...: for reports, not for players."""


@dataclass(frozen=True)
class Task:
    """One problem with a checkable outcome; `data` is what the environment needs to rebuild it."""

    task_id: str
    domain: str
    level: str
    split: Split
    seed: int
    prompt: str
    """What a player is told: the goal and, in cooking, the recipe."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """JSON values only; travels in data sets and to the verifier's process."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """For reports, e.g. {"words": "unseen"}."""


@dataclass(frozen=True)
class Observation:
    """What the player sees after an action."""

    text: str
    legal: bool = True
    """False if the action was not admissible in the state it was tried in."""
    done: bool = False
    solved: bool = False
    progress: float = 0.0
    """Share of the work done, 0..1, by the reference teacher's remaining commands; for rewards."""


@dataclass(frozen=True)
class Outcome:
    """Verifier C's answer about one whole trajectory."""

    solved: bool
    score: float
    """0..1; rewards use `solved` only."""
    reason: str = ""
    """Why it fails, as a query for A and B, never the answer."""
    failed_step: int | None = None
    """0-based index of the first step that C rejects."""
    proof: tuple[str, ...] = ()
    """State hash before the first step and after each step."""


class Environment(Protocol):
    """One task being played. Deterministic: the same actions give the same observations."""

    def reset(self) -> Observation: ...

    def step(self, action: str) -> Observation: ...

    def legal_actions(self) -> Sequence[str]:
        """Admissible commands now; empty if the domain cannot list them."""
        ...

    def state_hash(self) -> str: ...


class Planner(Protocol):
    """Role B: writes the next step from the transcript, all that a player can know."""

    def next_step(self, transcript: Transcript) -> Step: ...


class Domain(ABC):
    """Rules, tasks and judgement of one field of work."""

    name: str
    levels: tuple[str, ...]
    """From easy to hard."""

    @abstractmethod
    def lore(self) -> Sequence[Passage]:
        """The whole lore pack, distractors included; the same at every call."""

    @abstractmethod
    def tasks(self, level: str, split: Split, count: int, *, seed: int = 0) -> list[Task]:
        """`count` tasks; the same arguments give the same tasks, other splits share none."""

    @abstractmethod
    def environment(self, task: Task) -> Environment:
        """A fresh environment for one task."""

    @abstractmethod
    def planner(self) -> Planner:
        """The domain's symbolic teacher (role B), allowed to know the transcript only."""

    @abstractmethod
    def verify(self, task: Task, steps: Sequence[Step], passages: Sequence[Passage]) -> Outcome:
        """Strict replay of `steps`: solved, every action admissible, every citation entailed."""

    @abstractmethod
    def gold_actions(self, task: Task) -> list[str]:
        """A reference solution that must verify; for tests and progress, never for B."""

    def gold_passages(self, task: Task) -> frozenset[str]:
        """Ids of the passages that the task needs; for recall@k."""
        return frozenset()

    def queries(self, task: Task) -> list[str]:
        """What A searches for first."""
        return [task.prompt]

    def same_action(self, action: str, expert: str) -> float:
        """Slot reward of one action against the expert's, 0..1: the share of what must agree."""
        return float(action == expert)

    def wrong_lore(self) -> Sequence[Passage]:
        """Lore that misleads, for the report: by default the texts change places within a kind."""
        pack = list(self.lore())
        kinds = {p.kind: [q.text for q in pack if q.kind == p.kind] for p in pack}
        turned = {kind: iter([*texts[1:], texts[0]]) for kind, texts in kinds.items()}
        return [replace(passage, text=next(turned[passage.kind])) for passage in pack]

    def outcome(self, task: Task, actions: Sequence[str]) -> Outcome:
        """Strict replay without citations, for a student: each action admissible, task solved."""
        environment = self.environment(task)
        seen = environment.reset()
        proof = [environment.state_hash()]
        for index, action in enumerate(actions):
            if seen.done:
                why = f"step {index + 1}: the task was over"
                return Outcome(False, 0.0, why, index, tuple(proof))
            seen = environment.step(action)
            if not seen.legal:
                why = f"step {index + 1}: not admissible: {action}"
                return Outcome(False, seen.progress, why, index, tuple(proof))
            proof.append(environment.state_hash())
        if not seen.solved:
            return Outcome(False, seen.progress, "not solved", len(actions), tuple(proof))
        return Outcome(True, 1.0, proof=tuple(proof))
