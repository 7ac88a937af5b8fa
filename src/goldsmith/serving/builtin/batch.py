"""`Batch` holds the rows that decode together: one joins, all advance by a token, one leaves."""

from __future__ import annotations

from typing import Any

import torch

from goldsmith.errors import ArtefactError
from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin.cache import RowCache
from goldsmith.serving.builtin.lora import Adapter, AdapterSwitch


class Batch:
    """A model in the middle of decoding some rows; rows are named by their place, 0 first."""

    def __init__(self, policy: Policy, *, places: int, context: int, adapters: bool) -> None:
        _check_attention(policy.model)
        self.places, self._model = places, policy.model
        self._cache = RowCache(places=places, context=context)
        self._switch = AdapterSwitch(policy.model) if adapters else None
        self._lengths: list[int] = []
        self._adapters: list[Adapter | None] = []
        self._causal = torch.full((context, context), -torch.inf).triu(1)[None, None]

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def tokens(self) -> int:
        """Positions in use, of all rows."""
        return sum(self._lengths)

    @torch.inference_mode()
    def join(self, ids: tuple[int, ...], adapter: Adapter | None) -> torch.Tensor:
        """Take the next place with a prompt; logits (1, vocabulary) of its first token."""
        length = len(ids)
        self._cache.fill(len(self))
        self._use([adapter])
        logits = self._forward(
            torch.tensor([ids]),
            mask=self._causal[:, :, :length, :length],
            positions=torch.arange(length)[None],
        )
        self._lengths.append(length)
        self._adapters.append(adapter)
        return logits

    @torch.inference_mode()
    def step(self, tokens: list[int]) -> torch.Tensor:
        """Feed one token to each row; logits (rows, vocabulary) of what follows."""
        positions = torch.tensor(self._lengths)
        self._cache.extend(positions)
        self._use(self._adapters)
        unseen = torch.arange(int(positions.max()) + 1)[None] > positions[:, None]
        mask = torch.zeros(unseen.shape).masked_fill_(unseen, -torch.inf)[:, None, None]
        logits = self._forward(
            torch.tensor(tokens)[:, None], mask=mask, positions=positions[:, None]
        )
        self._lengths = [length + 1 for length in self._lengths]
        return logits

    @torch.inference_mode()
    def leave(self, place: int) -> None:
        """Give up a place; the last row moves there."""
        last = len(self) - 1
        if place != last:
            self._cache.move(last, place, self._lengths[last])
            self._lengths[place], self._adapters[place] = self._lengths[last], self._adapters[last]
        del self._lengths[last], self._adapters[last]

    def _use(self, adapters: list[Adapter | None]) -> None:
        if self._switch:
            self._switch.use(adapters)

    def _forward(
        self, ids: torch.Tensor, *, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        output: Any = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits


def _check_attention(model: Any) -> None:
    """ArtefactError unless every layer sees the whole text: rows are kept that way."""
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    windowed = getattr(config, "sliding_window", None) and not hasattr(config, "layer_types")
    if windowed or any(layer != "full_attention" for layer in layers):
        raise ArtefactError(
            f"the built-in engine cannot serve {config.model_type}",
            why="some of its layers see only a window of the text",
            fix="serve it with vllm",
        )
