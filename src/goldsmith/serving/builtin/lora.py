"""LoRA adapters of which every row may have its own, or none.

An adapter is a set of matrix pairs; the model's linear layers add to each row the product of its
adapter's pair. Nothing is merged, so adapters come and go while other rows decode, and a row keeps
the adapter it began with for as long as it refers to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from goldsmith.errors import ArtefactError
from goldsmith.registry.intake import check_artefact

_PREFIX = "base_model.model."
_ON_ANOTHER_PATH = ("use_dora", "lora_bias", "fan_in_fan_out", "rank_pattern", "alpha_pattern")
"""Options of peft that change the sum, and are not computed here."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """One loaded adapter."""

    name: str
    path: Path
    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]
    """Layer to A (rank, in) and B (out, rank), B scaled."""


class RowLinear(torch.nn.Module):
    """A linear layer that adds to each row what the row's adapter says."""

    def __init__(self, linear: torch.nn.Linear, name: str, switch: AdapterSwitch) -> None:
        super().__init__()
        self.linear, self._name, self._switch = linear, name, switch

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(rows, tokens, in) to (rows, tokens, out)."""
        output: torch.Tensor = self.linear(hidden)
        for adapter, rows in self._switch.groups:
            pair = adapter.pairs.get(self._name)
            if pair is None:
                continue
            chosen = hidden if rows is None else hidden[rows]
            added = torch.nn.functional.linear(torch.nn.functional.linear(chosen, pair[0]), pair[1])
            output = output.add_(added) if rows is None else output.index_add_(0, rows, added)
        return output


class AdapterSwitch:
    """Puts itself into a model's linear layers and tells them which row has which adapter."""

    def __init__(self, model: Any) -> None:
        self.groups: list[tuple[Adapter, torch.Tensor | None]] = []
        """Each adapter in use and its rows; None: all of them."""
        for name, linear in list(_linears(model)):
            owner, _, own = name.rpartition(".")
            setattr(model.get_submodule(owner), own, RowLinear(linear, name, self))

    def use(self, adapters: list[Adapter | None]) -> None:
        """The adapter of each row of the next pass."""
        rows: dict[Adapter, list[int]] = {}
        for row, adapter in enumerate(adapters):
            if adapter is not None:
                rows.setdefault(adapter, []).append(row)
        whole = len(adapters)
        self.groups = [
            (adapter, None if len(own) == whole else torch.tensor(own))
            for adapter, own in rows.items()
        ]


def layer_shapes(model: Any) -> dict[str, tuple[int, int]]:
    """Name to (in, out) of every layer that an adapter may change."""
    return {name: (linear.in_features, linear.out_features) for name, linear in _linears(model)}


def read_adapter(
    name: str, path: Path, *, shapes: dict[str, tuple[int, int]], max_rank: int
) -> Adapter:
    """The adapter in a folder; ArtefactError if it is unsafe or does not fit the model."""
    from safetensors.torch import load_file

    check_artefact(path)
    config = json.loads((path / "adapter_config.json").read_bytes())
    if refused := [option for option in _ON_ANOTHER_PATH if config.get(option)]:
        raise _refused(path, f"the built-in engine does not compute {refused[0]}")
    if config["r"] > max_rank:
        raise _refused(path, f"its rank {config['r']} is above {max_rank}")
    rank = math.sqrt(config["r"]) if config.get("use_rslora") else config["r"]
    scale = float(config.get("lora_alpha", 8)) / rank
    tensors = load_file(path / "adapter_model.safetensors")
    return Adapter(name, path, _pairs(tensors, scale=scale, shapes=shapes, path=path))


def _pairs(
    tensors: dict[str, torch.Tensor],
    *,
    scale: float,
    shapes: dict[str, tuple[int, int]],
    path: Path,
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B of every layer that the file names; it must name both, and layers of the model."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        layer, _, side = key.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".lora_")
        if layer not in shapes or side not in ("A", "B"):
            raise _refused(path, f"the model has no layer for {key}")
        found.setdefault(layer, {})[side] = tensor.float()
    pairs = {}
    for layer, sides in found.items():
        wide, high = shapes[layer]
        if set(sides) != {"A", "B"} or (sides["A"].shape[1], sides["B"].shape[0]) != (wide, high):
            raise _refused(path, f"it does not fit the model's {layer} ({wide} to {high})")
        pairs[layer] = (sides["A"], sides["B"] * scale)
    return pairs


def _linears(model: Any) -> Iterator[tuple[str, torch.nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            yield name, module


def _refused(path: Path, why: str) -> ArtefactError:
    return ArtefactError(f"adapter {path.name} is refused", why=why, fix="train it on this model")
