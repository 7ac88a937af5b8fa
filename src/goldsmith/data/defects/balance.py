"""What only the whole data set shows: skew, constants, rare levels, too little of it."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from goldsmith.data.defects.catalogue import Problems
from goldsmith.data.defects.steps import digest
from goldsmith.data.trajectories import Trajectory

T = TypeVar("T")

MIN_RECORDS = 8
MIN_STEPS = 50
"""Below, shares say nothing."""
RARE_LEVEL = 0.02
"""Of the records of the commonest level."""
PLACES = 4
"""Actions are told apart by the first of these words in which they differ at all: the Tower of
Hanoi only ever says `Move disk`."""
MAX_CLASSES = 5000


class Balance:
    """Counts while the data streams by; memory is bounded by the number of classes."""

    def __init__(self) -> None:
        self.records = 0
        self.levels: Counter[str] = Counter()
        self.words: tuple[Counter[str], ...] = tuple(Counter() for _ in range(PLACES))
        self.answers: Counter[bytes] = Counter()

    def add(self, trajectory: Trajectory) -> None:
        """Take in one trajectory."""
        actions = [turn.step.action for turn in trajectory.transcript.turns]
        self.records += 1
        count(self.levels, trajectory.task.level)
        count(self.answers, digest("\n".join(actions)))
        for action in actions:
            for counter, word in zip(self.words, action.split(), strict=False):
                count(counter, word)

    def problems(self, max_class_share: float) -> Problems:
        """What the counts say."""
        if 0 < self.records < MIN_RECORDS:
            yield "too-few-records", f"{self.records} records, fewer than {MIN_RECORDS}"
            return
        words = next((counter for counter in self.words if len(counter) > 1), Counter[str]())
        for word, times in words.most_common(1):
            if words.total() >= MIN_STEPS and times > max_class_share * words.total():
                yield "skewed-actions", f"{times} of {words.total()} actions say {word!r}"
        if self.records and self.answers.most_common(1)[0][1] == self.records:
            yield "constant-answer", "every trajectory has the same actions"
        most = max(self.levels.values(), default=0)
        for level, number in self.levels.items():
            if number < RARE_LEVEL * most:
                yield "imbalanced-levels", f"{level}: {number} records, another level has {most}"


def count(counter: Counter[T], value: T) -> None:
    """Count the value, unless there are too many different ones to keep."""
    if value in counter or len(counter) < MAX_CLASSES:
        counter[value] += 1
