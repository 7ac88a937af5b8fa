"""`Row` is one request while it is decoded: what it asked, what it has, who is told."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin.lora import Adapter
from goldsmith.serving.builtin.sampling import Choice, Sampling
from goldsmith.serving.builtin.text import TextStream


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer, as its reader is told."""

    text: str
    """What it adds to the text: nothing while a character or a stop string is unfinished."""
    choice: Choice
    finish_reason: str = ""
    """`stop` or `length` at the last one."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The engine broke; there is no more of the answer."""

    why: str


class Row:
    """A request and its answer so far; `cancelled` may be set by any thread."""

    def __init__(
        self,
        policy: Policy,
        *,
        prompt: tuple[int, ...],
        adapter: Adapter | None,
        sampling: Sampling,
    ) -> None:
        self.prompt, self.adapter, self.sampling = prompt, adapter, sampling
        self.random = random.Random(sampling.seed)
        self.tokens_out, self.last_token = 0, 0
        self.cancelled = False
        self.events: asyncio.Queue[Token | Failure] = asyncio.Queue()
        self._text = TextStream(policy.decode, sampling.stop)
        self._ends = policy.eos_ids

    def take(self, choice: Choice) -> Token:
        """Add one token; the answer is over if it has a finish reason."""
        self.tokens_out += 1
        self.last_token = choice.token
        ended = choice.token in self._ends
        if not ended:
            self._text.add(choice.token)
        reason = "stop" if ended or self._text.stopped else ""
        if not reason and self.tokens_out >= self.sampling.max_tokens:
            reason = "length"
        if reason:
            self._text.end()
        return Token(self._text.tell(last=bool(reason)), choice, reason)
