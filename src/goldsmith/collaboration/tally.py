"""How far the step is: one count over the data set's tasks and those of the lore arms."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith.data.trajectories import Trajectory
from goldsmith.observability.progress import Progress


class Tally:
    """Tells phases and finished tasks; between two, that B is still at work."""

    def __init__(self, total: int) -> None:
        self._progress, self._total, self._done = Progress("collaborate"), total, 0

    def say(self, text: str) -> None:
        """What begins now."""
        self._progress.update(self._done, self._total, text=text)

    def task(self, attempts: Sequence[Trajectory]) -> None:
        """One more task is accepted or given up."""
        self._done += 1
        last = attempts[-1]
        word = "accepted" if last.accepted else "rejected"
        self.say(f"{last.task.level} task {word} at attempt {last.attempt}")

    def turn(self) -> None:
        """B has made one more step."""
        self._progress.repeat()
