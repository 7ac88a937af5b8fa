"""The cooking domain: levels, seeded splits, and the parts behind the `Domain` interface."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from goldsmith.errors import ConfigError
from goldsmith.tasks.cooking import judge
from goldsmith.tasks.cooking.commands import slot_reward
from goldsmith.tasks.cooking.environment import CookingEnvironment, playground, playground_of
from goldsmith.tasks.cooking.lore import lore_pack, passage_of_word, wrong
from goldsmith.tasks.cooking.planner import CookingPlanner
from goldsmith.tasks.cooking.recipes import read_recipe, write_recipe
from goldsmith.tasks.domain import Domain, Outcome, Passage, Split, Task
from goldsmith.tasks.transcript import Step

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
_LEVELS: Mapping[str, Mapping[str, Any]] = {
    "easy": {"recipe": 1},  # cook or cut, drawn per task
    "medium": {"recipe": 1, "cook": True, "cut": True},
    "hard": {"recipe": 2, "cook": True, "cut": True},
    "expert": {"recipe": 3, "cook": True, "cut": True},
}


class CookingDomain(Domain):
    """Make the meal of a recipe whose preparation words only the lore explains.

    Splits differ in three ways: the game seed (its remainder modulo 3), the foods and preparations
    (TextWorld's own split) and the words: held-out words never occur in training tasks, and half
    of the validation and test tasks use only them (`tags["words"]`).
    """

    name = "cooking"
    levels = tuple(_LEVELS)

    def lore(self) -> Sequence[Passage]:
        """Rules, cookbook, meanings and distractors."""
        return lore_pack()

    def wrong_lore(self) -> Sequence[Passage]:
        """The same pack with every meaning wrong."""
        return [wrong(passage) for passage in lore_pack()]

    def tasks(self, level: str, split: Split, count: int, *, seed: int = 0) -> list[Task]:
        """The first `count` tasks of an endless list; ConfigError for an unknown level or split."""
        if level not in _LEVELS:
            raise ConfigError(f"cooking level {level!r}", fix=f"use one of {', '.join(_LEVELS)}")
        if split not in SPLITS:
            raise ConfigError(f"cooking split {split!r}", fix=f"use one of {', '.join(SPLITS)}")
        games = self._games(level, split, seed)
        return [self._task(level, split, seed, index, next(games)) for index in range(count)]

    def environment(self, task: Task) -> CookingEnvironment:
        """A fresh environment; DomainError if the task describes no game."""
        return CookingEnvironment(task)

    def planner(self) -> CookingPlanner:
        """Role B."""
        return CookingPlanner()

    def verify(self, task: Task, steps: Sequence[Step], passages: Sequence[Passage]) -> Outcome:
        """Role C."""
        return judge.verify(task, steps, passages)

    def gold_actions(self, task: Task) -> list[str]:
        """TextWorld's own `policy_commands`."""
        return playground_of(task).reference()

    def gold_passages(self, task: Task) -> frozenset[str]:
        """The passages that explain the words of the recipe."""
        return frozenset(passage_of_word()[word] for word in read_recipe(task.prompt).words)

    def queries(self, task: Task) -> list[str]:
        """What the words of the recipe mean; its foods would only find gossip about food."""
        words = ", ".join(read_recipe(task.prompt).words)
        return [f"with what do i {words}"]

    def same_action(self, action: str, expert: str) -> float:
        """The slot reward."""
        return slot_reward(action, expert)

    def _games(self, level: str, split: Split, seed: int) -> Iterator[dict[str, Any]]:
        """Settings of the games that the generator can make, by rising seed."""
        base = int.from_bytes(hashlib.sha256(f"{level}/{seed}".encode()).digest()[:3])
        number = 3 * base + SPLITS.index(split)
        while True:
            number += 3
            cook = Random(number).random() < 0.5
            game = {"cook": cook, "cut": not cook, **_LEVELS[level], "seed": number}
            if playground(split=split, **game) is not None:
                yield game

    def _task(
        self, level: str, split: Split, seed: int, index: int, game: Mapping[str, Any]
    ) -> Task:
        unseen = split != "train" and index % 2 == 1
        task_id = f"cooking-{split}-{level}-{seed}-{index:04d}"
        ground = playground(split=split, **game)
        assert ground is not None
        recipe = write_recipe(
            ground.game.metadata["ingredients"],
            cook=game["cook"],
            cut=game["cut"],
            unseen=unseen,
            rng=Random(task_id),
        )
        return Task(
            task_id=task_id,
            domain=self.name,
            level=level,
            split=split,
            seed=seed,
            prompt=recipe.prompt(),
            data={"game": dict(game)},
            tags={"words": "unseen" if unseen else "seen"},
        )
