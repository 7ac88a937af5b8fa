"""What one reasoning-gym family adds: levels, splits, the worked answer, and how it is played."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Any

from goldsmith.tasks.domain import Split
from goldsmith.tasks.transcript import Step

ANSWER = re.compile(r"answer: (-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,6})?)")
"""The only form of a final answer: ASCII digits, no leading zeros, exponents or signs but minus."""


@dataclass(frozen=True)
class Item:
    """One generated problem, rebuilt from (level, seed) wherever it is needed."""

    family: Family
    level: str
    seed: int
    entry: Mapping[str, Any]
    """reasoning-gym's own record: question, answer, metadata."""

    @property
    def prompt(self) -> str:
        """The question and the form of an answer, as a player is told."""
        return self.family.prompt(self.entry)

    @property
    def split(self) -> Split:
        """The only split this problem may be used in."""
        return self.family.split(self.entry)

    def worked(self) -> list[Step]:
        """The worked answer, one step a line, without citations."""
        return self.family.worked(self.entry)

    def gold_actions(self) -> list[str]:
        """The actions of the worked answer."""
        return [step.action for step in self.worked()]


class Game(ABC):
    """One problem being played: which lines are admissible, and when it is over."""

    done: bool = False
    answer: str = ""
    """What the scorer gets once it is done."""

    @abstractmethod
    def play(self, action: str) -> bool:
        """Take the action if it is admissible; whether it was."""

    @abstractmethod
    def sight(self) -> str:
        """What a player sees now."""

    @abstractmethod
    def state(self) -> Any:
        """Everything that tells this position from another, as JSON values."""

    def legal_actions(self) -> Sequence[str]:
        """All admissible actions, or nothing where they cannot be listed."""
        return ()


class Family(ABC):
    """One whitelisted family of reasoning-gym."""

    name: str
    difficulties: Mapping[str, Mapping[str, Any]]
    """Generator settings per difficulty, easy to hard."""

    @abstractmethod
    def fits(self, entry: Mapping[str, Any], difficulty: str) -> bool:
        """Whether an item that the generator made belongs to the difficulty."""

    @abstractmethod
    def split(self, entry: Mapping[str, Any]) -> Split:
        """The split that owns the item; a rule on its content, never on its seed."""

    @abstractmethod
    def prompt(self, entry: Mapping[str, Any]) -> str:
        """What a player is told."""

    @abstractmethod
    def worked(self, entry: Mapping[str, Any]) -> list[Step]:
        """The worked answer as steps."""

    @abstractmethod
    def game(self, entry: Mapping[str, Any]) -> Game:
        """A fresh game."""

    def tags(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """For reports."""
        return {"family": self.name}

    def right(self, entry: Mapping[str, Any], answer: str) -> bool:
        """Our own check beside the library's scorer, which must also say 1.0.

        gsm_symbolic's scorer drops the minus sign, so that "-19" scores 1.0 where 19 is right.
        """
        try:
            return Decimal(answer) == Decimal(str(entry["answer"]))
        except InvalidOperation:
            return False


def deal(members: Sequence[Any], *, held_out: float = 0.2) -> dict[Any, Split]:
    """Share out template-like things: the same split for ever, about `held_out` each for the two.

    The order is shuffled with a fixed seed; at least one member goes to valid and one to test.
    """
    shuffled = list(members)
    Random(0).shuffle(shuffled)
    count = max(1, round(len(shuffled) * held_out))
    splits: dict[Any, Split] = dict.fromkeys(shuffled, "train")
    splits.update(dict.fromkeys(shuffled[:count], "test"))
    splits.update(dict.fromkeys(shuffled[count : 2 * count], "valid"))
    return splits
