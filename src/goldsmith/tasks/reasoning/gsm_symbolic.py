"""gsm_symbolic: word problems; a step is one line of the worked answer, then the number."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

from goldsmith.tasks.domain import Split
from goldsmith.tasks.reasoning.family import ANSWER, Family, Game, deal
from goldsmith.tasks.transcript import Step

FORM = "Write one line of working a step, then the result, such as `answer: 12`."
MAX_LINES = 24
MAX_CHARACTERS = 300
LINES = {"easy": range(1, 3), "medium": range(3, 4), "hard": range(4, MAX_LINES)}
"""There is no dial: difficulty is the number of lines of the worked answer."""


class WordProblemGame(Game):
    """Any short line is working; `answer: N` ends it, and nothing else counts."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def play(self, action: str) -> bool:
        """Note a line or take the answer."""
        if match := ANSWER.fullmatch(action):
            self.done, self.answer = True, match.group(1)
            return True
        plain = action.strip() == action and action.isprintable()
        answer_like = "answer:" in action.casefold() or "####" in action
        short = 0 < len(action) <= MAX_CHARACTERS and len(self.lines) < MAX_LINES
        if answer_like or not (plain and short):
            return False
        self.lines.append(action)
        return True

    def sight(self) -> str:
        """How many lines were noted; nothing about their worth."""
        return f"{len(self.lines)} noted."

    def state(self) -> Any:
        """The lines and the answer."""
        return [self.lines, self.answer]


class GsmSymbolic(Family):
    """The generator (the template of the story) decides the split."""

    name = "gsm_symbolic"
    difficulties: Mapping[str, Mapping[str, Any]] = {"easy": {}, "medium": {}, "hard": {}}

    def fits(self, entry: Mapping[str, Any], difficulty: str) -> bool:
        """By the number of lines of working."""
        return len(working(entry)) in LINES[difficulty]

    def split(self, entry: Mapping[str, Any]) -> Split:
        """By template, within its difficulty."""
        return template_splits()[entry["metadata"]["template"]]

    def prompt(self, entry: Mapping[str, Any]) -> str:
        """The question, then the form."""
        return f"{entry['question']}\n{FORM}"

    def worked(self, entry: Mapping[str, Any]) -> list[Step]:
        """The lines that the template ships, without the `####` line, then the number."""
        lines = [Step("The next line of working.", line) for line in working(entry)]
        return [*lines, Step("Nothing is left to work out.", f"answer: {entry['answer']}")]

    def game(self, entry: Mapping[str, Any]) -> Game:
        """A fresh sheet."""
        return WordProblemGame()


def working(entry: Mapping[str, Any]) -> list[str]:
    """The non-empty lines of `answer_cot` but the `####` line, spaces collapsed."""
    lines = (" ".join(line.split()) for line in entry["metadata"]["answer_cot"].splitlines())
    return [line for line in lines if line and not line.startswith("####")]


@cache
def template_splits() -> dict[int, Split]:
    """Template number -> split, shared out within each difficulty."""
    from reasoning_gym.arithmetic.gsm_symbolic import gsm_symbolic as library

    dataset = library.GSMSymbolicDataset(library.GSMSymbolicDatasetConfig(seed=0, size=1))
    counts = {
        number: len(working(dataset.generators[number](Random(0), 1.0)))
        for number in library.tasks_ok
    }
    splits: dict[int, Split] = {}
    for lines in LINES.values():
        splits |= deal([number for number in counts if counts[number] in lines])
    return splits
