"""tower_of_hanoi: a step is one move; peg pairs and the largest towers are held out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from goldsmith.tasks.domain import Split
from goldsmith.tasks.reasoning.family import Family, Game, deal
from goldsmith.tasks.transcript import Step

FORM = "Write one move a step, such as `Move disk 1 from Peg 1 to Peg 2`."
MOVE = re.compile(r"Move disk ([0-9]{1,2}) from Peg ([0-9]) to Peg ([0-9])")
PEGS = (3, 4, 5)
PAIRS = deal([(pegs, *pair) for pegs in PEGS for pair in permutations(range(1, pegs + 1), 2)])
"""(pegs, start, target) -> split."""
UNSEEN_DISKS = 6
"""Towers of this height are only in the test split."""


class HanoiGame(Game):
    """Legal moves only; over when the tower stands on the target peg."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.tower = list(range(metadata["num_disks"], 0, -1))
        self.target = metadata["target_peg"]
        self.pegs: dict[int, list[int]] = {p: [] for p in range(1, metadata["num_pegs"] + 1)}
        self.pegs[metadata["start_peg"]] = list(self.tower)
        self.moves: list[str] = []

    def play(self, action: str) -> bool:
        """Move a disk, if the rules allow it and the line is written in the one form."""
        if self.done or action not in self.legal_actions():
            return False
        # a legal action is always such a line
        _, source, target = map(int, MOVE.fullmatch(action).groups())  # type: ignore[union-attr]
        self.pegs[target].append(self.pegs[source].pop())
        self.moves.append(action)
        self.done = self.pegs[self.target] == self.tower
        self.answer = "\n".join(self.moves)
        return True

    def legal_actions(self) -> Sequence[str]:
        """Every move that the rules allow."""
        return [
            f"Move disk {disks[-1]} from Peg {source} to Peg {target}"
            for source, disks in self.pegs.items()
            for target, other in self.pegs.items()
            if disks and source != target and (not other or other[-1] > disks[-1])
        ]

    def sight(self) -> str:
        """The pegs, bottom disk first."""
        pegs = (f"Peg {p}: {' '.join(map(str, d)) or '-'}" for p, d in self.pegs.items())
        return "; ".join(pegs)

    def state(self) -> Any:
        """The pegs and how many moves it took."""
        return [sorted(self.pegs.items()), len(self.moves)]


class TowerOfHanoi(Family):
    """Levels by disks; the (pegs, start, target) triple decides the split."""

    name = "tower_of_hanoi"
    difficulties = {  # noqa: RUF012 - a constant of the class
        "easy": {"min_disks": 2, "max_disks": 3, "min_pegs": 3, "max_pegs": 5},
        "medium": {"min_disks": 4, "max_disks": 4, "min_pegs": 3, "max_pegs": 5},
        "hard": {"min_disks": 5, "max_disks": UNSEEN_DISKS, "min_pegs": 3, "max_pegs": 5},
    }

    def fits(self, entry: Mapping[str, Any], difficulty: str) -> bool:
        """The tallest towers are for the test split only."""
        seen = entry["metadata"]["num_disks"] != UNSEEN_DISKS
        return seen or self.split(entry) == "test"

    def split(self, entry: Mapping[str, Any]) -> Split:
        """By peg pair."""
        metadata = entry["metadata"]
        return PAIRS[metadata["num_pegs"], metadata["start_peg"], metadata["target_peg"]]

    def prompt(self, entry: Mapping[str, Any]) -> str:
        """The goal and the rules, shorter than the library's page."""
        metadata = entry["metadata"]
        return (
            f"Tower of Hanoi: move all {metadata['num_disks']} disks from Peg "
            f"{metadata['start_peg']} to Peg {metadata['target_peg']}; there are "
            f"{metadata['num_pegs']} pegs. Use as few moves as possible.\n{FORM}"
        )

    def worked(self, entry: Mapping[str, Any]) -> list[Step]:
        """The library's Frame-Stewart solution, one move a step."""
        game, steps = HanoiGame(entry["metadata"]), []
        for move in str(entry["answer"]).splitlines():
            game.play(move)
            disk, source, target = move.split()[2], move.split()[5], move.split()[8]
            steps.append(Step(f"Disk {disk} is free on {source} and may go to {target}.", move))
        return steps

    def game(self, entry: Mapping[str, Any]) -> Game:
        """A fresh tower."""
        return HanoiGame(entry["metadata"])

    def tags(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """Marks towers of a height that training never shows."""
        unseen = entry["metadata"]["num_disks"] == UNSEEN_DISKS
        return {"family": self.name, "disks": "unseen" if unseen else "seen"}

    def right(self, entry: Mapping[str, Any], answer: str) -> bool:
        """The game already checked every move; the scorer asks for as few as its own."""
        return True
