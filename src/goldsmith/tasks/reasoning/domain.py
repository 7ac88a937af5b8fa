"""The `reasoning` domain: three families of reasoning-gym behind the common interface."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources
from random import Random
from typing import Any

import yaml

from goldsmith.errors import ConfigError, DomainError
from goldsmith.tasks.domain import Domain, Observation, Outcome, Passage, Split, Task
from goldsmith.tasks.reasoning.chain_sum import ChainSum
from goldsmith.tasks.reasoning.family import Family, Item
from goldsmith.tasks.reasoning.gsm_symbolic import GsmSymbolic
from goldsmith.tasks.reasoning.tower_of_hanoi import TowerOfHanoi
from goldsmith.tasks.transcript import Step, Transcript

FAMILIES: dict[str, Family] = {f.name: f for f in (ChainSum(), TowerOfHanoi(), GsmSymbolic())}
LEVELS = tuple(
    f"{family.name}-{difficulty}"
    for difficulty in ("easy", "medium", "hard")
    for family in FAMILIES.values()
)
MAX_SEED = 2**31


class ReasoningEnvironment:
    """One item being played; `done` at the answer or when the tower stands."""

    def __init__(self, task: Task) -> None:
        self.task_id = task.task_id
        self.item = item_of(task)
        self.gold = self.item.gold_actions()
        self.reset()

    def reset(self) -> Observation:
        """Back to the start."""
        self.game = self.item.family.game(self.item.entry)
        self.actions: list[str] = []
        return Observation(self.game.sight())

    def step(self, action: str) -> Observation:
        """Play one line; an inadmissible one changes nothing."""
        if self.game.done or not self.game.play(action):
            return Observation(
                "That is not admissible.", legal=False, done=self.game.done, progress=self.progress
            )
        self.actions.append(action)
        solved = self.game.done and is_right(self.item, self.game.answer)
        progress = 1.0 if solved else self.progress
        text = "Done." if self.game.done else self.game.sight()
        return Observation(text, done=self.game.done, solved=solved, progress=progress)

    @property
    def progress(self) -> float:
        """Share of the worked answer that was followed from its start."""
        same = 0
        for action, gold in zip(self.actions, self.gold, strict=False):
            if action != gold:
                break
            same += 1
        return same / len(self.gold)

    def legal_actions(self) -> Sequence[str]:
        """The legal moves of a tower; the other families cannot list theirs."""
        return () if self.game.done else self.game.legal_actions()

    def state_hash(self) -> str:
        """sha256 of the task and its state."""
        state = json.dumps([self.task_id, self.item.prompt, self.game.state()], sort_keys=True)
        return hashlib.sha256(state.encode()).hexdigest()


class WorkedAnswer:
    """Role B here is the worked answer that the family's generator ships.

    The library ships the solution with each problem, so B knows it; unlike in cooking there is no
    planner that could fail. It finds the problem by its prompt among those this process has made.
    """

    def next_step(self, transcript: Transcript) -> Step:
        """The next line of the worked answer; cites the family's rules if A returned them."""
        item = _items_by_prompt.get(transcript.prompt)
        if item is None:
            raise DomainError("reasoning has no worked answer", why="it never made this problem")
        steps = item.worked()
        step = steps[min(len(transcript.turns), len(steps) - 1)]
        rules = f"{item.family.name}/"
        cited = tuple(i for i, _ in transcript.passages if i.startswith(rules))[:1]
        return Step(step.reasoning, step.action, cited)


class ReasoningDomain(Domain):
    """gsm_symbolic, tower_of_hanoi and chain_sum; reward 1 only if the scorer says 1.0."""

    name = "reasoning"
    levels = LEVELS

    def lore(self) -> Sequence[Passage]:
        """A few rules per family among distractors."""
        return read_lore()

    def tasks(self, level: str, split: Split, count: int, *, seed: int = 0) -> list[Task]:
        """`count` different problems; ConfigError if the level has no so many in this split."""
        if level not in LEVELS:
            raise ConfigError(f"reasoning has no level {level!r}", fix=f"one of {list(LEVELS)}")
        found: dict[str, Task] = {}
        for item in drawn(level, seed, limit=count * 40 + 2000):
            if len(found) == count:
                break
            if item.split == split:
                task = task_of(item)
                found.setdefault(task.task_id, task)
        if len(found) < count:
            raise ConfigError(
                f"reasoning {level} has {len(found)} different {split} problems, not {count}",
                fix="ask for fewer or for another level",
            )
        return list(found.values())

    def environment(self, task: Task) -> ReasoningEnvironment:
        """A fresh environment."""
        return ReasoningEnvironment(task)

    def planner(self) -> WorkedAnswer:
        """The worked answer as role B."""
        return WorkedAnswer()

    def verify(self, task: Task, steps: Sequence[Step], passages: Sequence[Passage]) -> Outcome:
        """Strict replay: every line admissible, every citation returned by A, the answer right."""
        environment = self.environment(task)
        known, proof = {p.passage_id for p in passages}, [environment.state_hash()]
        seen = Observation("")
        for index, step in enumerate(steps):
            if not known.issuperset(step.citations):
                return failed("a citation that was not retrieved", index, proof)
            seen = environment.step(step.action)
            if not seen.legal:
                return failed(f"{environment.item.family.name}: inadmissible line", index, proof)
            proof.append(environment.state_hash())
        if not seen.solved:
            what = "wrong answer" if seen.done else "no answer"
            return failed(f"{environment.item.family.name}: {what}", None, proof)
        return Outcome(True, 1.0, proof=tuple(proof))

    def gold_actions(self, task: Task) -> list[str]:
        """The worked answer's actions."""
        return item_of(task).gold_actions()

    def gold_passages(self, task: Task) -> frozenset[str]:
        """The family's rules."""
        rules = f"{item_of(task).family.name}/"
        return frozenset(p.passage_id for p in self.lore() if p.passage_id.startswith(rules))

    def queries(self, task: Task) -> list[str]:
        """The family's name and the problem."""
        return [item_of(task).family.name.replace("_", " "), task.prompt]

    def same_action(self, action: str, expert: str) -> float:
        """1 if equal; else half the share of equal words in place, 0 if the first word differs."""
        if action == expert:
            return 1.0
        mine, other = action.split(), expert.split()
        if not mine or mine[0] != other[0]:
            return 0.0
        same = sum(a == b for a, b in zip(mine, other, strict=False))
        return 0.5 * same / max(len(mine), len(other))


def failed(reason: str, step: int | None, proof: Sequence[str]) -> Outcome:
    """A rejected trajectory."""
    return Outcome(False, 0.0, reason=reason, failed_step=step, proof=tuple(proof))


def is_right(item: Item, answer: str) -> bool:
    """1.0 from the library's scorer (an exception is 0), and our own check agrees."""
    try:
        score = float(_scorer(item.family.name).score_answer(answer, item.entry))
    except Exception:  # some scorers raise on text that is no number
        return False
    return score >= 1.0 and item.family.right(item.entry, answer)


_items_by_prompt: dict[str, Item] = {}
"""Problems made in this process, for B; a few hundred bytes each."""


def task_of(item: Item) -> Task:
    """The item as a task."""
    _items_by_prompt[item.prompt] = item
    name = hashlib.sha256(item.prompt.encode()).hexdigest()[:12]
    return Task(
        task_id=f"reasoning/{item.level}/{item.split}/{name}",
        domain="reasoning",
        level=item.level,
        split=item.split,
        seed=item.seed,
        prompt=item.prompt,
        data={"item_seed": item.seed},
        tags=item.family.tags(item.entry),
    )


def item_of(task: Task) -> Item:
    """The item again from a task; DomainError if the task was not made by this domain."""
    seed = task.data.get("item_seed")
    if task.level not in LEVELS or type(seed) is not int or not 0 <= seed < MAX_SEED:
        raise DomainError(f"task {task.task_id} is not a reasoning task", fix="generate it again")
    item = make_item(task.level, seed)
    if item is None or item.prompt != task.prompt or item.split != task.split:
        raise DomainError(f"task {task.task_id} does not match its seed", fix="generate it again")
    _items_by_prompt[item.prompt] = item
    return item


def drawn(level: str, seed: int, *, limit: int) -> Iterator[Item]:
    """At most `limit` draws of the level's generator, whatever split they belong to."""
    random = Random(f"{level}/{seed}")
    for _ in range(limit):
        if item := make_item(level, random.randrange(MAX_SEED)):
            yield item


@lru_cache(maxsize=4096)
def make_item(level: str, seed: int) -> Item | None:
    """The item of a seed, or None if it does not fit the level or its own answer is not right.

    Some word problems have a negative result, which the library's own scorer calls wrong.
    """
    name, _, difficulty = level.rpartition("-")
    family = FAMILIES[name]
    dataset = _dataset(name, seed, **family.difficulties[difficulty])
    entry = dataset[0]
    if name == "gsm_symbolic":
        entry["metadata"]["template"] = dataset.task_indices[0]
    item = Item(family, level, seed, entry)
    return item if family.fits(entry, difficulty) and is_right(item, entry["answer"]) else None


def _dataset(name: str, seed: int, **settings: Any) -> Any:
    """A reasoning-gym data set of one item; the library is imported here, it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # cellpylib compares strings with `is`
        from reasoning_gym.factory import create_dataset
    return create_dataset(name, seed=seed, size=1, **settings)


@cache
def _scorer(name: str) -> Any:
    """Any data set of a family can score all its items."""
    return _dataset(name, 0)


@cache
def read_lore() -> tuple[Passage, ...]:
    """The lore pack beside this file."""
    text = resources.files(__package__).joinpath("lore.yaml").read_text(encoding="utf-8")
    return tuple(Passage(**passage) for passage in yaml.safe_load(text))
