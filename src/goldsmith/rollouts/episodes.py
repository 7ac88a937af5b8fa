"""Whole episodes: a policy plays tasks in their environments, many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from goldsmith.rollouts.policy import Policy
from goldsmith.tasks.domain import Domain, Environment, Observation, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.transcript import Step, Transcript, parse_step

ROWS = 128
"""Rows decoded together; more does not pay on a CPU, where the cache is the cost."""


@dataclass(frozen=True)
class Opening:
    """A task and the transcript that the student is shown first."""

    task: Task
    transcript: Transcript


@dataclass(frozen=True)
class Episode:
    """One played task."""

    task: Task
    transcript: Transcript
    """With the student's turns."""
    solved: bool
    """The environment says so; the verifier's word counts for rewards and scores."""
    legal: bool
    """Every command was admissible."""
    malformed: bool
    truncated: bool
    progress: float
    """Share of the work done, 0..1."""
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    mask: tuple[int, ...]
    """1 for the student's tokens, 0 for observations."""

    @property
    def actions(self) -> list[str]:
        """The student's commands."""
        return [turn.step.action for turn in self.transcript.turns]

    @property
    def tokens(self) -> int:
        """How many tokens the student wrote."""
        return sum(self.mask)


class _Player:
    """One row's game: answers each of the student's turns with an observation, until it ends.

    DomainError naming the task if the environment raises.
    """

    def __init__(self, opening: Opening, domain: Domain, max_turns: int) -> None:
        self.opening, self.max_turns = opening, max_turns
        self.transcript = opening.transcript
        self._guard = Guard(domain.name, f"task {opening.task.task_id}")
        self.environment: Environment = self._guard.call(domain.environment, opening.task)
        self.observation: Observation = self._guard.call(self.environment.reset)
        self.malformed = False
        self.legal = True

    def play(self, text: str, ended: bool) -> str | None:
        """The observation after a turn; None when the episode is over."""
        step: Step | None = parse_step(text, finished=ended)
        if step is None:
            self.malformed = True
            return None
        self.observation = self._guard.call(self.environment.step, step.action)
        self.legal = self.legal and self.observation.legal
        self.transcript = self.transcript.append(step, self.observation.text)
        over = self.observation.done or not self.legal
        return (
            None if over or len(self.transcript.turns) >= self.max_turns else self.observation.text
        )


def play(
    policy: Policy,
    domain: Domain,
    openings: Sequence[Opening],
    *,
    samples: int,
    temperature: float,
    max_new_tokens: int,
    max_turns: int,
    seed: int,
) -> list[list[Episode]]:
    """`samples` episodes of each opening; an illegal command ends one, since it cannot win."""
    results: list[list[Episode]] = []
    for batch in play_batches(
        policy,
        domain,
        openings,
        samples=samples,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        max_turns=max_turns,
        seed=seed,
    ):
        results.extend(batch)
    return results


def play_batches(
    policy: Policy,
    domain: Domain,
    openings: Sequence[Opening],
    *,
    samples: int,
    temperature: float,
    max_new_tokens: int,
    max_turns: int,
    seed: int,
    greedy: int = 0,
) -> Iterator[list[list[Episode]]]:
    """Like `play`, a batch of openings at a time, so that callers can show progress.

    The first `greedy` of the samples are played without chance.
    """
    import torch

    from goldsmith.rollouts.generation import generate

    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, ROWS // samples)
    for start in range(0, len(openings), at_once):
        batch = openings[start : start + at_once]
        prompts = [policy.opening_ids(opening.transcript) for opening in batch]
        players = [_Player(opening, domain, max_turns) for opening in batch for _ in range(samples)]

        def respond(
            row: int, text: str, ended: bool, players: list[_Player] = players
        ) -> Sequence[int] | None:
            observation = players[row].play(text, ended)
            return None if observation is None else policy.observation_ids(observation)

        completions = generate(
            policy,
            prompts,
            samples=samples,
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            generator=generator,
            respond=respond,
            greedy=greedy,
        )
        episodes = [
            Episode(
                task=player.opening.task,
                transcript=player.transcript,
                solved=player.observation.solved and player.legal,
                legal=player.legal,
                malformed=player.malformed,
                truncated=completion.truncated,
                progress=player.observation.progress,
                prompt_ids=tuple(prompts[row // samples]),
                completion_ids=tuple(completion.ids),
                mask=tuple(completion.mask),
            )
            for row, (player, completion) in enumerate(zip(players, completions, strict=True))
        ]
        yield [episodes[i : i + samples] for i in range(0, len(episodes), samples)]
