"""Attention in which the rows of a group share the keys and values of their prompt.

A group's completions have one prompt. Repeating its cache G times makes decoding on a CPU a matter
of reading memory; here a prompt is kept once and all rows of its group are multiplied with it
together, then with their own tail, under one softmax (as in Hydragen, arXiv 2402.05099, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "goldsmith_shared_prefix"
"""`attn_implementation` of models that share prompts; without a `shared_prefix` it is `sdpa`."""


@dataclass(frozen=True)
class SharedPrefix:
    """Keys and values of P prompts of C positions, and whose prompt each of R rows has."""

    keys: Sequence[torch.Tensor]
    """A layer each: (P, key heads, C, head size)."""
    values: Sequence[torch.Tensor]
    bias: torch.Tensor
    """(P, 1, 1, C): 0, or minus infinity on padding."""
    owner: torch.Tensor
    """(R,): the prompt of each row; rows of one prompt are next to each other."""

    def keep(self, rows: torch.Tensor) -> SharedPrefix:
        """Of these rows only; prompts without any are dropped."""
        prompts, owner = torch.unique(self.owner[rows], return_inverse=True)
        if len(prompts) == len(self.bias):
            return SharedPrefix(self.keys, self.values, self.bias, owner)
        return SharedPrefix(
            [layer[prompts] for layer in self.keys],
            [layer[prompts] for layer in self.values],
            self.bias[prompts],
            owner,
        )

    @cached_property
    def slots(self) -> tuple[torch.Tensor, int]:
        """Each row's place in a (P, largest group) grid, and the size of the largest group."""
        sizes = torch.bincount(self.owner, minlength=len(self.bias))
        first = sizes.cumsum(0) - sizes
        within = torch.arange(len(self.owner)) - first[self.owner]
        width = int(sizes.max())
        return self.owner * width + within, width


def share_prompts(model: Any) -> bool:
    """Make a model able to share prompts; whether it is.

    It is not if its attention cannot be replaced, or if a layer sees only a window of the prompt.
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    windowed = getattr(config, "sliding_window", None) and not hasattr(config, "layer_types")
    whole = all(layer == "full_attention" for layer in layers) and not windowed
    if not whole or not getattr(model, "_supports_attention_backend", False):
        return False
    if config._attn_implementation != NAME:
        model.set_attn_implementation(NAME)
    return True


def shared_prefix_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    shared_prefix: SharedPrefix | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """One new token a row: query (R, heads, 1, head size), key and value of the tail.

    Returns (R, 1, heads, head size), as transformers' attention functions do.
    """
    if shared_prefix is None:
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output
    rows, heads, _, size = query.shape
    prompt_keys = shared_prefix.keys[module.layer_idx]
    prompt_values = shared_prefix.values[module.layer_idx]
    prompts, key_heads, context, _ = prompt_keys.shape
    share = heads // key_heads
    slot, width = shared_prefix.slots
    grid = (prompts, width, key_heads, share)

    def to_grid(of_rows: torch.Tensor) -> torch.Tensor:  # (R, heads, n) to (P, heads, rows, n)
        padded = of_rows.new_zeros(prompts * width, *of_rows.shape[1:])
        padded[slot] = of_rows
        moved = padded.view(*grid, -1).transpose(1, 2)
        return moved.reshape(prompts, key_heads, width * share, -1)

    def to_rows(of_grid: torch.Tensor) -> torch.Tensor:
        moved = of_grid.view(prompts, key_heads, width, share, -1).transpose(1, 2)
        return moved.reshape(prompts * width, heads, -1)[slot]

    scale = size**-0.5 if scaling is None else scaling
    query = query.squeeze(2) * scale
    head = to_grid(query) @ prompt_keys.transpose(2, 3) + shared_prefix.bias
    grouped = query.view(rows, key_heads, share, size)
    tail = (grouped @ key.transpose(2, 3)).view(rows, heads, -1)
    weights = torch.cat([to_rows(head), tail], dim=-1).softmax(-1)
    of_prompt = to_rows(to_grid(weights[..., :context]) @ prompt_values)
    own = weights[..., context:].reshape(rows, key_heads, share, -1) @ value
    return (of_prompt + own.view(rows, heads, size))[:, None], None


AttentionInterface.register(NAME, shared_prefix_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
