"""SRL instances: one expert step each, its completions generated in one turn and scored at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from goldsmith.config.run import SRLConfig
from goldsmith.data.trajectories import Trajectory
from goldsmith.rewards.srl import difflib_reward, slot_reward
from goldsmith.rollouts.generation import Completion, generate
from goldsmith.rollouts.policy import Policy
from goldsmith.tasks.domain import Domain, Environment, Observation, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.transcript import Step, Transcript, parse_step, prefixes
from goldsmith.training.groups import Group


@dataclass(frozen=True)
class StepInstance:
    """The student sees `prefix` and should do what `expert` did."""

    task: Task
    prefix: Transcript
    expert: Step


def step_instances(trajectories: Iterable[Trajectory]) -> list[StepInstance]:
    """Every step of every trajectory (arXiv 2510.25992, section 3.1).

    Departure: the paper never trains on the last step of a solution, since in mathematics it is
    the answer; here it is a command like any other.
    """
    return [
        StepInstance(trajectory.task, prefix, expert)
        for trajectory in trajectories
        for prefix, expert in prefixes(trajectory.transcript)
    ]


class StepSource:
    """A `GroupSource` over expert steps."""

    measures = ("exact", "well_formed")

    def __init__(
        self, domain: Domain, instances: Sequence[StepInstance], config: SRLConfig
    ) -> None:
        self.domain, self.instances, self.config = domain, instances, config
        self.name = "difflib" if config.mode == "paper" else "slot"

    def __len__(self) -> int:
        return len(self.instances)

    def roll(
        self, policy: Policy, instances: Sequence[int], generator: torch.Generator
    ) -> list[Group]:
        """G completions of each instance, scored."""
        chosen = [self.instances[number] for number in instances]
        prompts = [policy.opening_ids(instance.prefix) for instance in chosen]
        size = self.config.group_size
        texts: dict[int, tuple[str, bool]] = {}

        def finish(row: int, text: str, ended: bool) -> None:
            texts[row] = (text, ended)

        completions = generate(
            policy,
            prompts,
            samples=size,
            temperature=self.config.temperature,
            max_new_tokens=self.config.max_new_tokens,
            generator=generator,
            respond=finish,
        )
        return [
            self._group(
                instance,
                prompts[number],
                completions[number * size : (number + 1) * size],
                [texts[row] for row in range(number * size, (number + 1) * size)],
            )
            for number, instance in enumerate(chosen)
        ]

    def _group(
        self,
        instance: StepInstance,
        prompt_ids: list[int],
        completions: list[Completion],
        texts: list[tuple[str, bool]],
    ) -> Group:
        judge = _Judge(self.domain, instance)
        steps = [parse_step(text, finished=ended) for text, ended in texts]
        return Group(
            prompt_ids=tuple(prompt_ids),
            completions=tuple(completions),
            rewards=tuple(self._reward(judge, step) for step in steps),
            measures={
                "exact": tuple(
                    float(step is not None and step.action == instance.expert.action)
                    for step in steps
                ),
                "well_formed": tuple(float(step is not None) for step in steps),
            },
        )

    def _reward(self, judge: _Judge, step: Step | None) -> float:
        expert = judge.instance.expert.action
        if self.config.mode == "paper":
            return difflib_reward(step.action if step else None, expert)
        if step is None:
            return self.config.malformed_reward
        return judge.reward(step.action)


class _Judge:
    """The state in which an expert step was taken, ready to try other actions in.

    DomainError naming the task if the domain raises.
    """

    def __init__(self, domain: Domain, instance: StepInstance) -> None:
        self.domain, self.instance = domain, instance
        self._guard = Guard(domain.name, f"task {instance.task.task_id}")
        self._rewards: dict[str, float] = {}

    def reward(self, action: str) -> float:
        """`slot_reward` of an action tried here; the expert's own needs no trial."""
        expert = self.instance.expert.action
        if action == expert:
            return 1.0
        if action not in self._rewards:
            seen = self._try(action)
            self._rewards[action] = slot_reward(
                legal=seen.legal,
                progressed=seen.solved or seen.progress > self._progress,
                slots=self._guard.call(self.domain.same_action, action, expert),
            )
        return self._rewards[action]

    @cached_property
    def _progress(self) -> float:
        return self._replay()[1].progress

    def _try(self, action: str) -> Observation:
        environment, _ = self._replay()
        seen: Observation = self._guard.call(environment.step, action)
        return seen

    def _replay(self) -> tuple[Environment, Observation]:
        environment = self._guard.call(self.domain.environment, self.instance.task)
        seen = self._guard.call(environment.reset)
        for turn in self.instance.prefix.turns:
            seen = self._guard.call(environment.step, turn.step.action)
        return environment, seen
