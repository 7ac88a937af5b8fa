"""The one form of an episode: an append-only transcript.

Task and lore first, then (action, observation) turns. An SRL instance is a prefix of it, an RLVR
episode is the whole with observations masked, serving continues it. Nothing that was written is
ever rendered again in another way, so that a prefix of the text is a prefix of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Step:
    """One expert or student step: what it thinks, what it does, what it relies on."""

    reasoning: str
    action: str
    citations: tuple[str, ...] = ()
    """Ids of the passages that justify the action."""


@dataclass(frozen=True)
class Turn:
    """One step and what was seen after it."""

    step: Step
    observation: str


@dataclass(frozen=True)
class Transcript:
    """Task, lore and first sight, then the turns so far."""

    prompt: str
    passages: tuple[tuple[str, str], ...]
    """(passage id, text) as A returned them, best first."""
    first_observation: str
    turns: tuple[Turn, ...] = ()

    def append(self, step: Step, observation: str) -> Transcript:
        """This transcript with one more turn."""
        return replace(self, turns=(*self.turns, Turn(step, observation)))

    def opening_only(self) -> Transcript:
        """This transcript before its first turn."""
        return replace(self, turns=())

    def opening(self) -> str:
        """The text of the first user message: task, lore, first observation."""
        lore = "\n".join(f"- {text}" for _, text in self.passages)
        parts = [self.prompt, f"Lore:\n{lore}" if lore else "", self.first_observation]
        return "\n".join(part for part in parts if part)

    def messages(self) -> list[dict[str, str]]:
        """Chat messages: user (task, lore, sight), then assistant (step) and user (observation)."""
        messages = [{"role": "user", "content": self.opening()}]
        for turn in self.turns:
            messages.append({"role": "assistant", "content": render_step(turn.step)})
            messages.append({"role": "user", "content": turn.observation})
        return messages


def render_step(step: Step) -> str:
    """`<think>reasoning</think>action`, the form the student is trained on."""
    return f"{THINK_OPEN}{step.reasoning}{THINK_CLOSE}{step.action}"


def parse_step(text: str, *, finished: bool = True) -> Step | None:
    """The step in a student's completion, or None if it is malformed.

    Exactly one leading think block, a non-empty monologue, a non-empty one-line action, and an
    action that was not cut off (`finished`).
    """
    text = text.strip()
    if not finished or not text.startswith(THINK_OPEN):
        return None
    if text.count(THINK_OPEN) != 1 or text.count(THINK_CLOSE) != 1:
        return None
    reasoning, action = text[len(THINK_OPEN) :].split(THINK_CLOSE)
    reasoning, action = reasoning.strip(), action.strip()
    if not reasoning or not action or "\n" in action:
        return None
    return Step(reasoning, action)


def prefixes(transcript: Transcript) -> Sequence[tuple[Transcript, Step]]:
    """The SRL instances of an expert transcript: (prefix, expert step) for each turn."""
    return [
        (replace(transcript, turns=transcript.turns[:index]), turn.step)
        for index, turn in enumerate(transcript.turns)
    ]
