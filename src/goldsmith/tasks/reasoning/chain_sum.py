"""chain_sum: a chain of additions and subtractions; a step is one running sum."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from goldsmith.tasks.domain import Split
from goldsmith.tasks.reasoning.family import ANSWER, Family, Game
from goldsmith.tasks.transcript import Step

FORM = "Write one running sum a step, such as `4 - 1 = 3`, then the result, such as `answer: 3`."
SUM = re.compile(r"(-?[0-9]{1,18}) ([+-]) ([0-9]{1,18}) = (-?[0-9]{1,18})")


class ChainSumGame(Game):
    """A step is admissible if it takes the next term and is right, or is an answer."""

    def __init__(self, expression: str) -> None:
        first, *rest = expression.split(" ")
        self.value = int(first)
        self.terms = list(zip(rest[::2], map(int, rest[1::2]), strict=True))

    def play(self, action: str) -> bool:
        """Take the next running sum or the answer."""
        if match := ANSWER.fullmatch(action):
            self.done, self.answer = True, match.group(1)
            return True
        if not self.terms or action != running_sum(self.value, *self.terms[0]):
            return False
        self.value = int(action.rpartition(" = ")[2])
        self.terms.pop(0)
        return True

    def sight(self) -> str:
        """How much is left."""
        return f"{len(self.terms)} left."

    def state(self) -> Any:
        """Value, terms to go, answer."""
        return [self.value, self.terms, self.answer]


def running_sum(value: int, operator: str, term: int) -> str:
    """`4 - 1 = 3`."""
    result = value + term if operator == "+" else value - term
    return f"{value} {operator} {term} = {result}"


class ChainSum(Family):
    """Levels by terms and digits; the expression itself decides the split."""

    name = "chain_sum"
    difficulties = {  # noqa: RUF012 - a constant of the class
        "easy": {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 2},
        "medium": {"min_terms": 3, "max_terms": 4, "min_digits": 2, "max_digits": 3},
        "hard": {"min_terms": 5, "max_terms": 6, "min_digits": 3, "max_digits": 4},
    }

    def fits(self, entry: Mapping[str, Any], difficulty: str) -> bool:
        """The generator's own dials make it fit."""
        return True

    def split(self, entry: Mapping[str, Any]) -> Split:
        """8 : 1 : 1 by a hash of the expression."""
        digest = hashlib.sha256(entry["metadata"]["expression"].encode()).digest()
        splits: dict[int, Split] = {0: "test", 1: "valid"}
        return splits.get(int.from_bytes(digest[:8]) % 10, "train")

    def prompt(self, entry: Mapping[str, Any]) -> str:
        """The question, then the form."""
        return f"{entry['question']}\n{FORM}"

    def worked(self, entry: Mapping[str, Any]) -> list[Step]:
        """The running sums from left to right, then the answer."""
        game = ChainSumGame(entry["metadata"]["expression"])
        steps = []
        while game.terms:
            operator, term = game.terms[0]
            verb = "add" if operator == "+" else "subtract"
            steps.append(Step(f"I {verb} {term}.", running_sum(game.value, operator, term)))
            game.play(steps[-1].action)
        return [*steps, Step("Nothing is left.", f"answer: {game.value}")]

    def game(self, entry: Mapping[str, Any]) -> Game:
        """A fresh game."""
        return ChainSumGame(entry["metadata"]["expression"])
