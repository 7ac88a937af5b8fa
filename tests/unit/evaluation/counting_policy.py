"""A player of the toy domain behind the same wire as a model: token ids in, logits out."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch

from goldsmith.tasks.transcript import Transcript

PAD, END, SEEN, SAY, WRONG = 0, 1, 100, 400, 700
SIZE = 701


class CountingPolicy:
    """Says the next number with probability `skill` at every step, else a wrong one.

    Ids: SEEN + n is an observation of n, SAY + n the step that says n.
    """

    eos_ids = frozenset({END})
    pad_id = PAD
    max_tokens = 1000

    def __init__(self, skill: float) -> None:
        self.skill = skill

    def opening_ids(self, transcript: Transcript) -> list[int]:
        return [SEEN + int(transcript.first_observation.split()[0])]

    def observation_ids(self, text: str) -> tuple[int, ...]:
        return (SEEN + int(text.split()[0]),)

    def decode(self, ids: list[int]) -> str:
        step = next(number for number in ids if number != END)
        return "<think>one more</think>say " + ("nothing" if step == WRONG else str(step - SAY))

    @property
    def model(self) -> Any:
        return _Model(self.skill)


class _Model:
    def __init__(self, skill: float) -> None:
        self.skill = skill
        layers = SimpleNamespace(num_hidden_layers=0)
        self.config = SimpleNamespace(get_text_config=lambda: layers)

    def __call__(self, *, input_ids: torch.Tensor, **_: Any) -> Any:
        last = input_ids[:, -1]
        logits = torch.full((len(last), 1, SIZE), -1e9)
        for row, token in enumerate(last.tolist()):
            if SEEN <= token < SAY:
                logits[row, 0, token - SEEN + SAY + 1] = math.log(self.skill)
                logits[row, 0, WRONG] = math.log(1 - self.skill)
            else:
                logits[row, 0, END] = 0.0
        return SimpleNamespace(logits=logits)
