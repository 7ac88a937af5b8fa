"""The candidate and the live model play the same games, suite by suite.

For each suite: test tasks of one level, A's passages looked up once, then each model plays every
task `samples` times at temperature T and once greedily. A win counts only if the verifier, in its
own process, confirms it. The result is `runs/<run_id>/scores.json` (`scores.py` has its form).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from goldsmith.config.run import EvaluateConfig, SuiteConfig
from goldsmith.evaluation import statistics
from goldsmith.evaluation.scores import SIDES, Plays, Scores, Side, SuiteScores, TaskScores
from goldsmith.evaluation.verbs import verb_scores
from goldsmith.evaluation.wins import WinJudge
from goldsmith.observability.progress import Progress
from goldsmith.rollouts.episodes import Episode, Opening, play_batches
from goldsmith.rollouts.policy import Policy
from goldsmith.tasks.domain import Domain, Environment, Observation, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.retrieval import LoreIndex, as_shown
from goldsmith.tasks.transcript import Transcript
from goldsmith.tasks.verification import VerifierPool

logger = logging.getLogger(__name__)


def metrics(scores: Scores) -> dict[str, dict[str, float]]:
    """Per model, `eval/<suite>/avg@k`, `pass@k` and `greedy`."""
    found: dict[str, dict[str, float]] = {}
    for side in SIDES:
        row = found.setdefault(side, {})
        for suite in scores.suites:
            wins, (greedy, games) = suite.wins(side), suite.greedy(side)
            samples = wins.shape[1]
            row[f"eval/{suite.name}/avg@{samples}"] = statistics.avg_at_k(wins)
            row[f"eval/{suite.name}/pass@{samples}"] = statistics.pass_at_k(wins, samples)
            row[f"eval/{suite.name}/greedy"] = greedy / games
    return found


@dataclass(frozen=True)
class Played:
    """One task's episodes by one model, with the verifier's word on each."""

    sampled: Sequence[Episode]
    wins: tuple[bool, ...]
    greedy: bool

    def plays(self) -> Plays:
        """What the scores keep of it."""
        sampled = self.sampled
        return Plays(
            wins=tuple(1 if win else 0 for win in self.wins),
            greedy=1 if self.greedy else 0,
            tokens=sum(episode.tokens for episode in sampled),
            turns=sum(len(episode.actions) for episode in sampled),
            malformed=sum(episode.malformed for episode in sampled),
            truncated=sum(episode.truncated for episode in sampled),
            illegal=sum(not episode.legal for episode in sampled),
            refused=sum(
                episode.solved and not win for episode, win in zip(sampled, self.wins, strict=True)
            ),
        )


class Bench:
    """Games of one domain, played by any model under one configuration."""

    def __init__(
        self,
        domain: Domain,
        config: EvaluateConfig,
        verifiers: VerifierPool,
        *,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """`share` (i, n): only every n-th game, from the i-th."""
        self.domain, self.config, self.seed = domain, config, seed
        self.share = share
        self.lore = LoreIndex(Guard(domain.name, "its lore").call(domain.lore))
        self.wins = WinJudge(verifiers)
        self.progress = Progress("evaluate")
        self.total = 2 * sum(suite.games for suite in config.suites)
        self.done = 0

    def play(self, policies: dict[Side, Policy]) -> tuple[SuiteScores, ...]:
        """Every suite, both models."""
        return tuple(
            self._suite(
                suite, policies, name=f"suite {suite.name} ({number} of {len(self.config.suites)})"
            )
            for number, suite in enumerate(self.config.suites, start=1)
        )

    def _suite(self, suite: SuiteConfig, policies: dict[Side, Policy], *, name: str) -> SuiteScores:
        openings = self.openings(suite)
        played = {
            side: self._played(policy, openings, side=side, name=f"{name}, {side}")
            for side, policy in policies.items()
        }
        tasks = tuple(
            TaskScores(
                task_id=opening.task.task_id,
                level=opening.task.level,
                tags=dict(opening.task.tags),
                candidate=candidate.plays(),
                live=live.plays(),
            )
            for opening, candidate, live in zip(
                openings, played["candidate"], played["live"], strict=True
            )
        )
        verbs = {
            side: verb_scores(self.domain, (episode for row in rows for episode in row.sampled))
            for side, rows in played.items()
        }
        declared = suite.model_dump(include={"name", "level", "role", "margin", "games"})
        return SuiteScores(**declared, tasks=tasks, verbs=verbs)

    def openings(self, suite: SuiteConfig) -> list[Opening]:
        """The suite's test tasks as the student sees them: prompt, A's passages, first sight."""
        name, games = self.domain.name, suite.games
        guard = Guard(name, f"{games} tasks of level {suite.level}")
        tasks = guard.call(self.domain.tasks, suite.level, "test", games, seed=self.seed)
        return [self._opening(task) for task in tasks[self.share[0] :: self.share[1]]]

    def _opening(self, task: Task) -> Opening:
        guard = Guard(self.domain.name, f"task {task.task_id}")
        queries = guard.call(self.domain.queries, task)
        found = self.lore.gather(queries, self.config.passages)
        environment: Environment = guard.call(self.domain.environment, task)
        sight: Observation = guard.call(environment.reset)
        passages = as_shown(found, task_id=task.task_id)
        return Opening(task, Transcript(task.prompt, passages, sight.text))

    def _played(
        self, policy: Policy, openings: list[Opening], *, side: Side, name: str
    ) -> list[Played]:
        """One row a task; the two models draw different random numbers."""
        seed = (2 * self.seed + SIDES.index(side)) * self.share[1] + self.share[0]
        self._tell(name)
        batches = play_batches(
            policy,
            self.domain,
            openings,
            samples=1 + self.config.samples,
            greedy=1,
            temperature=self.config.temperature,
            max_new_tokens=self.config.max_new_tokens,
            max_turns=self.config.max_turns,
            seed=seed,
        )
        judged = self.wins.judge(self._shown(batches, name))
        return [Played(row[1:], wins[1:], greedy=wins[0]) for row, wins in judged]

    def _shown(
        self, batches: Iterable[list[list[Episode]]], name: str
    ) -> Iterator[list[list[Episode]]]:
        for batch in batches:
            self.done += len(batch) * self.share[1]
            self._tell(name)
            yield batch

    def _tell(self, name: str) -> None:
        if self.share[0] == 0:  # the shares are alike: one speaks for all
            self.progress.update(min(self.done, self.total), self.total, text=name)
