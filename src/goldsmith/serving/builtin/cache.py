"""Keys and values of rows of different lengths, each in its own place of one buffer a layer.

The rows that are alive fill the first places, so what attention reads is a view. A row that leaves
is replaced by the last one: one copy, whatever the batch.
"""

from __future__ import annotations

from typing import Any

import torch


class RowCache:
    """What a transformers model takes for `past_key_values`.

    A forward pass either fills one place with a prompt, or adds a token to every place in use.
    """

    def __init__(self, *, places: int, context: int) -> None:
        self.places, self.context = places, context
        self._keys: dict[int, torch.Tensor] = {}
        self._values: dict[int, torch.Tensor] = {}
        self._filling = 0
        self._positions: torch.Tensor | None = None
        self._rows = torch.arange(places)
        self._width = 0

    def fill(self, place: int) -> None:
        """The next pass is a prompt that goes to this place."""
        self._filling, self._positions = place, None

    def extend(self, positions: torch.Tensor) -> None:
        """The next pass is a token for each of the first places, at these positions."""
        self._positions, self._width = positions, int(positions.max()) + 1

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first positions of one place over another."""
        for buffers in (self._keys, self._values):
            for buffer in buffers.values():
                buffer[target, :, :length] = buffer[source, :, :length]

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store (rows, heads, tokens, head size); returns what the rows' queries may see."""
        if layer not in self._keys:
            self._keys[layer], self._values[layer] = self._buffer(keys), self._buffer(values)
        return self._put(self._keys[layer], keys), self._put(self._values[layer], values)

    def _buffer(self, like: torch.Tensor) -> torch.Tensor:
        """Zeros: attention multiplies what it does not see by 0, which must not be NaN."""
        return like.new_zeros(self.places, like.shape[1], self.context, like.shape[3])

    def _put(self, buffer: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        if self._positions is None:
            buffer[self._filling, :, : new.shape[2]] = new[0]
            return new
        rows = len(new)
        buffer[self._rows[:rows], :, self._positions] = new[:, :, 0]
        return buffer[:rows, :, : self._width]

    def get_seq_length(self, layer: int = 0) -> int:
        """Nothing that a model may count on: positions and masks are given at every pass."""
        return 0
