"""RLVR instances: whole episodes, reward 1 only if the verifier says that the task is solved."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from goldsmith.config.run import RLVRConfig
from goldsmith.rewards.verifiable import outcome_reward
from goldsmith.rollouts.episodes import Episode, Opening, play
from goldsmith.rollouts.generation import Completion
from goldsmith.rollouts.policy import Policy
from goldsmith.tasks.domain import Domain
from goldsmith.tasks.verification import VerifierPool, VerifyRequest
from goldsmith.training.groups import Group


class EpisodeSource:
    """A `GroupSource` over tasks."""

    name = "solved"
    measures = ("legal", "progress", "well_formed")

    def __init__(
        self,
        domain: Domain,
        openings: Sequence[Opening],
        config: RLVRConfig,
        verifiers: VerifierPool,
    ) -> None:
        self.domain, self.openings, self.config = domain, openings, config
        self.verifiers = verifiers

    def __len__(self) -> int:
        return len(self.openings)

    def roll(
        self, policy: Policy, instances: Sequence[int], generator: torch.Generator
    ) -> list[Group]:
        """G episodes of each task, verified."""
        played = play(
            policy,
            self.domain,
            [self.openings[number] for number in instances],
            samples=self.config.group_size,
            temperature=self.config.temperature,
            max_new_tokens=self.config.max_new_tokens,
            max_turns=self.config.max_turns,
            seed=generator.initial_seed(),
        )
        return [self._group(episodes) for episodes in played]

    def _group(self, episodes: list[Episode]) -> Group:
        return Group(
            prompt_ids=episodes[0].prompt_ids,
            completions=tuple(
                Completion(list(e.completion_ids), list(e.mask), e.truncated) for e in episodes
            ),
            rewards=self._rewards(episodes),
            measures={
                "legal": tuple(float(e.legal) for e in episodes),
                "progress": tuple(e.progress for e in episodes),
                "well_formed": tuple(float(not e.malformed) for e in episodes),
            },
        )

    def _rewards(self, episodes: list[Episode]) -> tuple[float, ...]:
        """1 for a win that the verifier's own process confirms; lost games are not asked."""
        claimed = [episode for episode in episodes if episode.solved]
        requests = [VerifyRequest.of_student(e.task, e.transcript) for e in claimed]
        outcomes = iter(self.verifiers.outcomes(requests))
        return tuple(outcome_reward(next(outcomes)) if e.solved else 0.0 for e in episodes)
