"""Batched generation with a KV cache, for single turns and for whole episodes.

Each unique prompt is prefilled once and shared by its samples (`attention.py`), or repeated for
them where a model's attention cannot be replaced. All rows advance one token a step: a row either
samples, or is fed a token of the observation it was just given. So an episode of many turns is one
pass with no ragged batches, and finished rows are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from goldsmith.rollouts.attention import SharedPrefix, share_prompts
from goldsmith.rollouts.policy import Policy

Respond = Callable[[int, str, bool], Sequence[int] | None]
"""(row, text of the turn, whether it ended by itself) to what is fed next, or None to stop."""

_GROWTH = 64
"""Positions by which a cache grows: fewer copies than `torch.cat` at every token."""


@dataclass
class Completion:
    """What one row produced after its prompt."""

    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    """1 where the model sampled, 0 where an observation was fed (TRL's `env_mask`)."""
    truncated: bool = False
    """The last turn hit its token budget."""


class _GrowingLayer(DynamicLayer):
    """A cache layer that writes in place into a buffer with spare room; returns views of it."""

    keys: torch.Tensor
    values: torch.Tensor
    _keys: torch.Tensor
    _values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (rows, heads, tokens, head size) keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.length = 0
        end = self.length + key_states.shape[-2]
        if self.length == 0 or end > self._keys.shape[-2]:
            self._keys = self._grown(self.keys, key_states, end)
            self._values = self._grown(self.values, value_states, end)
        self._keys[:, :, self.length : end] = key_states
        self._values[:, :, self.length : end] = value_states
        self.length = end
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]
        return self.keys, self.values

    def _grown(self, old: torch.Tensor, new: torch.Tensor, end: int) -> torch.Tensor:
        rows, heads, _, size = new.shape
        buffer = new.new_empty(rows, heads, end + _GROWTH, size)
        if self.length:
            buffer[:, :, : self.length] = old
        return buffer

    def select(self, rows: torch.Tensor) -> None:
        """Keep (or repeat) these rows; there is nothing to keep before the first token."""
        if not self.is_initialized:
            return
        self._keys, self._values = self._keys[rows], self._values[rows]
        self.keys, self.values = self._keys[:, :, : self.length], self._values[:, :, : self.length]


class Decoder:
    """A model in the middle of decoding a batch of rows."""

    def __init__(self, policy: Policy, prompts: Sequence[Sequence[int]], *, samples: int) -> None:
        self.policy = policy
        width = max(map(len, prompts))
        ids = torch.tensor([[policy.pad_id] * (width - len(p)) + list(p) for p in prompts])
        self.mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        self.positions = self.mask.sum(1, keepdim=True)
        self.prefix: SharedPrefix | None = None
        self.cache = self._empty_cache()
        self.logits = self._forward(ids, (self.mask.cumsum(1) - 1).clamp(min=0))
        if share_prompts(policy.model):
            self._share_prompts()
        self.keep(torch.arange(len(prompts)).repeat_interleave(samples))

    def _empty_cache(self) -> DynamicCache:
        layers = self.policy.model.config.get_text_config().num_hidden_layers
        cache = DynamicCache()
        cache.layers = [_GrowingLayer() for _ in range(layers)]
        return cache

    def _share_prompts(self) -> None:
        """From here on the cache holds what follows the prompts only."""
        layers: Any = self.cache.layers
        self.prefix = SharedPrefix(
            [layer.keys.contiguous() for layer in layers],
            [layer.values.contiguous() for layer in layers],
            torch.zeros(self.mask.shape).masked_fill(self.mask == 0, -torch.inf)[:, None, None],
            torch.arange(len(self.mask)),
        )
        self.cache = self._empty_cache()

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        output = self.policy.model(
            input_ids=ids,
            attention_mask=None if self.prefix else self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
            **({"shared_prefix": self.prefix} if self.prefix else {}),
        )
        return output.logits[:, -1].float()  # type: ignore[no-any-return]  # transformers: Any

    def step(self, tokens: Sequence[int]) -> None:
        """Feed one token a row."""
        if not self.prefix:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        self.logits = self._forward(torch.tensor(tokens)[:, None], self.positions)
        self.positions = self.positions + 1

    def keep(self, rows: torch.Tensor) -> None:
        """Keep (or repeat) these rows."""
        for layer in self.cache.layers:
            layer.select(rows)  # type: ignore[attr-defined]  # all are _GrowingLayer
        if self.prefix:
            self.prefix = self.prefix.keep(rows)
        else:
            self.mask = self.mask[rows]
        self.positions, self.logits = self.positions[rows], self.logits[rows]


def sample(
    logits: torch.Tensor,
    temperature: float,
    generator: torch.Generator,
    *,
    greedy: Sequence[int] = (),
) -> list[int]:
    """One token a row from logits (rows, vocabulary); `greedy` rows, or all at temperature 0,
    take the likeliest."""
    if temperature == 0:
        return logits.argmax(-1).tolist()  # type: ignore[no-any-return]
    probabilities = (logits / temperature).softmax(-1)
    cumulative = probabilities.cumsum(-1)
    points = torch.rand(len(logits), 1, generator=generator) * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, points).squeeze(1)
    if greedy:
        tokens[list(greedy)] = logits[list(greedy)].argmax(-1)
    return tokens.clamp(max=logits.shape[-1] - 1).tolist()  # type: ignore[no-any-return]


@torch.inference_mode()
def generate(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    *,
    samples: int,
    temperature: float,
    max_new_tokens: int,
    generator: torch.Generator,
    respond: Respond,
    greedy: int = 0,
) -> list[Completion]:
    """`samples` completions of each prompt, prompt-major; `max_new_tokens` bounds each turn.

    The first `greedy` of each prompt's samples take the likeliest token, whatever the temperature.
    """
    completions = [Completion() for _ in range(len(prompts) * samples)]
    forced: list[deque[int]] = [deque() for _ in completions]
    turns: list[list[int]] = [[] for _ in completions]
    room = [policy.max_tokens - len(prompt) for prompt in prompts for _ in range(samples)]
    live: list[int | None] = list(range(len(completions)))
    decoder = Decoder(policy, prompts, samples=samples)

    def advance(row: int, token: int) -> bool:
        """Record one sampled token; whether the row goes on."""
        completions[row].ids.append(token)
        completions[row].mask.append(1)
        turns[row].append(token)
        ended = token in policy.eos_ids
        full = len(completions[row].ids) >= room[row]
        if not ended and len(turns[row]) < max_new_tokens and not full:
            return True
        reply = respond(row, policy.decode(turns[row]), ended)
        turns[row] = []
        completions[row].truncated = not ended
        if reply is None or not ended or len(completions[row].ids) + len(reply) >= room[row]:
            return False
        forced[row].extend(reply)
        return True

    while True:
        likeliest = [
            slot for slot, row in enumerate(live) if row is not None and row % samples < greedy
        ]
        sampled = sample(decoder.logits, temperature, generator, greedy=likeliest)
        for slot, row in enumerate(live):
            if row is None:
                continue
            if forced[row]:
                sampled[slot] = forced[row].popleft()
                completions[row].ids.append(sampled[slot])
                completions[row].mask.append(0)
            elif not advance(row, sampled[slot]):
                live[slot] = None
        going = [slot for slot, row in enumerate(live) if row is not None]
        if not going:
            return completions
        decoder.step(sampled)
        if len(going) < 0.85 * len(live):
            decoder.keep(torch.tensor(going))
            live = [live[slot] for slot in going]
