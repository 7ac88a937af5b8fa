"""Which wins count: those that the verifier, in its own process, confirms.

The verifier works on one batch of games while the next one is played. Equal answers to a task are
asked about once: a trained model gives few different ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from goldsmith.rollouts.episodes import Episode
from goldsmith.tasks.verification import VerifierPool, VerifyRequest

Row = list[Episode]
"""Every episode of one task by one model."""
Answer = tuple[str, tuple[str, ...]]
"""Task id and actions."""


class WinJudge:
    """Asks C about the episodes that the environment calls solved."""

    def __init__(self, verifiers: VerifierPool) -> None:
        self.verifiers = verifiers
        self._known: dict[Answer, bool] = {}

    def judge(self, batches: Iterable[list[Row]]) -> list[tuple[Row, tuple[bool, ...]]]:
        """Each task's episodes and whether each is a win, in the order they were played."""
        with ThreadPoolExecutor(1) as thread:
            judged = [thread.submit(self._batch, batch) for batch in batches]
        return [row for batch in judged for row in batch.result()]

    def _batch(self, rows: Sequence[Row]) -> list[tuple[Row, tuple[bool, ...]]]:
        claimed = {answer(e): e for row in rows for e in row if e.solved}
        asked = [key for key in claimed if key not in self._known]
        outcomes = self.verifiers.outcomes([request(claimed[key]) for key in asked])
        self._known |= {key: outcome.solved for key, outcome in zip(asked, outcomes, strict=True)}
        return [(row, tuple(e.solved and self._known[answer(e)] for e in row)) for row in rows]


def request(episode: Episode) -> VerifyRequest:
    """What C is asked about an episode: a student's, without citations."""
    return VerifyRequest.of_student(episode.task, episode.transcript)


def answer(episode: Episode) -> Answer:
    """What decides an episode: its task and its actions."""
    return episode.task.task_id, tuple(episode.actions)
