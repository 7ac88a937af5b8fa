"""A served model plays a domain's task in the SRL form: `<think>monologue</think>action`.

Step by step, the model sees what its last action did before it writes the next one. In one pass it
writes all steps in one answer, which is then played. Either way an inadmissible command ends the
game, since it cannot win.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from goldsmith.rollouts.episodes import Opening
from goldsmith.serving.engines.engine import Answer, Engine, Request
from goldsmith.tasks.domain import Domain, Environment, Observation, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.transcript import THINK_OPEN, Step, Transcript, parse_step


@dataclass(frozen=True)
class Played:
    """One task that a served model played."""

    task: Task
    transcript: Transcript
    """With the model's turns."""
    solved: bool
    """The environment says so; the verifier's word is `domain.outcome(task, actions)`."""
    legal: bool
    """Every command was admissible."""
    malformed: bool
    """An answer was not in the SRL form, or was cut off."""
    answers: tuple[Answer, ...]

    @property
    def actions(self) -> list[str]:
        """The model's commands."""
        return [turn.step.action for turn in self.transcript.turns]


async def play_steps(
    engine: Engine, domain: Domain, opening: Opening, *, request: Request, max_turns: int
) -> Played:
    """An answer a step, each after the last one's observation; `request` has all but messages."""
    game = _Game(domain, opening)
    answers: list[Answer] = []
    malformed = False
    while not game.over and len(answers) < max_turns and not malformed:
        asked = replace(request, messages=game.transcript.messages())
        answers.append(await engine.generate(asked))
        step = parse_step(answers[-1].text, finished=answers[-1].finish_reason == "stop")
        malformed = step is None
        game.play([step] if step else [])
    return game.played(answers, malformed=malformed)


async def play_at_once(
    engine: Engine, domain: Domain, opening: Opening, *, request: Request, max_turns: int
) -> Played:
    """All steps in one answer, then played without asking again."""
    game = _Game(domain, opening)
    answer = await engine.generate(replace(request, messages=opening.transcript.messages()))
    steps, whole = parse_plan(answer.text, finished=answer.finish_reason == "stop")
    game.play(steps[:max_turns])
    return game.played([answer], malformed=not whole)


def parse_plan(text: str, *, finished: bool) -> tuple[list[Step], bool]:
    """The leading well-formed steps of a text, and whether they are all of it."""
    before, *parts = text.strip().split(THINK_OPEN)
    steps: list[Step] = []
    for number, part in enumerate(parts, start=1):
        step = parse_step(THINK_OPEN + part, finished=finished or number < len(parts))
        if before or step is None:
            return steps, False
        steps.append(step)
    return steps, bool(steps)


class _Game:
    """A task in its environment; DomainError naming the task if the environment raises."""

    def __init__(self, domain: Domain, opening: Opening) -> None:
        self._task = opening.task
        self._guard = Guard(domain.name, f"task {opening.task.task_id}")
        self._environment: Environment = self._guard.call(domain.environment, opening.task)
        self._seen: Observation = self._guard.call(self._environment.reset)
        self.transcript = opening.transcript

    @property
    def over(self) -> bool:
        return self._seen.done or not self._seen.legal

    def play(self, steps: Iterable[Step]) -> None:
        """Steps until the game is over."""
        for step in steps:
            if self.over:
                return
            self._seen = self._guard.call(self._environment.step, step.action)
            self.transcript = self.transcript.append(step, self._seen.text)

    def played(self, answers: list[Answer], *, malformed: bool) -> Played:
        return Played(
            task=self._task,
            transcript=self.transcript,
            solved=self._seen.solved and self._seen.legal,
            legal=self._seen.legal,
            malformed=malformed,
            answers=tuple(answers),
        )
