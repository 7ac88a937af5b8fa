"""What may enter as a model: one flat folder of safetensors, JSON and plain text, all checked.

A pickle runs code when it is loaded and scanners miss many, so nothing is scanned: whatever is not
on the list of forms is refused, and what is on it is parsed whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from goldsmith.errors import ArtefactError, StoreError
from goldsmith.registry import documents
from goldsmith.registry.chat_template import check_template
from goldsmith.registry.documents import refused
from goldsmith.registry.weights import Tensor, check_weights
from goldsmith.store.object_store import check_key

_LARGEST_JSON, _LARGEST_TEXT = 64 << 20, 64 << 20
_TEXT = {".txt", ".md", ".jinja"}
_PLAIN_TEXT_NAMES = {"LICENSE", "NOTICE"}
_INDEX = "model.safetensors.index.json"
_LORA = re.compile(r".+\.lora_(?:A|B|embedding_A|embedding_B)(?:\.weight)?")
_LAYER = re.compile(r"model\.layers\.(\d+)\.")


@dataclass(frozen=True)
class Artefact:
    """What was let in."""

    form: Literal["model", "adapter"]
    architecture: str
    """Of a model: as in config.json; of an adapter: `LORA`."""
    parameters: int
    size: int
    """Bytes of all files."""


def check_artefact(directory: Path) -> Artefact:
    """Check a model or adapter folder; ArtefactError names the file and what is wrong with it."""
    files = _files(directory)
    read = {path.name: _check_document(path) for path in files if path.suffix == ".json"}
    for path in files:
        if path.suffix in _TEXT or path.name in _PLAIN_TEXT_NAMES:
            _check_text(path)
    weights = {p.name: check_weights(p) for p in files if p.suffix == ".safetensors"}
    if not weights:
        raise ArtefactError(f"{directory} is no model", why="it holds no safetensors file")
    tensors = _merged(weights)
    adapter = "adapter_config.json" in read
    architecture = (_check_adapter if adapter else _check_model)(directory, read, weights)
    return Artefact(
        form="adapter" if adapter else "model",
        architecture=architecture,
        parameters=sum(prod(tensor.shape) for tensor in tensors.values()),
        size=sum(path.stat().st_size for path in files),
    )


def _files(directory: Path) -> list[Path]:
    """Every entry of the folder, each a plain file with a plain name and an allowed form."""
    if not directory.is_dir() or directory.is_symlink():
        raise ArtefactError(f"{directory} is no model", why="it is not a folder")
    files = sorted(directory.iterdir())
    for path in files:
        if path.is_symlink() or not path.is_file():
            raise refused(path, "a model is a flat folder of plain files, without links")
        _check_name(path)
    if len({path.name.lower() for path in files}) != len(files):
        raise ArtefactError(f"{directory} is refused", why="two names differ only in case")
    return files


def _check_name(path: Path) -> None:
    try:
        check_key(path.name)
    except StoreError as error:
        raise refused(path, "its name is hidden or odd") from error
    forms = {".safetensors", ".json", *_TEXT}
    if path.suffix not in forms and path.name not in _PLAIN_TEXT_NAMES:
        raise refused(
            path, "only safetensors, JSON and plain text may enter, no pickle and no code"
        )


def _check_document(path: Path) -> Any:
    document = documents.parse_json(_bytes(path, _LARGEST_JSON), path=path)
    documents.check_document(path, document)
    for key, value in documents.walk(document):
        if key == "chat_template":
            _check_templates(path, value)
    return document


def _check_templates(path: Path, value: Any) -> None:
    """A chat template, or a list of them with their names."""
    if isinstance(value, str):
        check_template(path, value)
        return
    for entry in value if isinstance(value, list) else []:
        _check_templates(path, entry.get("template") if isinstance(entry, dict) else entry)


def _check_text(path: Path) -> None:
    try:
        text = _bytes(path, _LARGEST_TEXT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(path, str(error)) from error
    if "\0" in text:
        raise refused(path, "it holds a NUL, so it is no text")
    if path.suffix == ".jinja":
        check_template(path, text)


def _bytes(path: Path, limit: int) -> bytes:
    if path.stat().st_size > limit:
        raise refused(path, f"it has more than {limit} bytes")
    return path.read_bytes()


def _merged(weights: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    merged: dict[str, Tensor] = {}
    for file, tensors in weights.items():
        if twice := merged.keys() & tensors.keys():
            raise ArtefactError(f"{file} is refused", why=f"tensor {min(twice)} is in two files")
        merged |= tensors
    return merged


def _check_model(
    directory: Path, read: dict[str, Any], weights: dict[str, dict[str, Tensor]]
) -> str:
    """config.json, a tokenizer, an index that says the truth, and shapes that fit the config."""
    for name in ("config.json", "tokenizer.json"):
        if name not in read:
            raise ArtefactError(f"{directory} is no model", why=f"it holds no {name}")
    config = read["config.json"]
    documents.check_config(directory / "config.json", config)
    _check_index(directory / _INDEX, read.get(_INDEX), weights)
    _check_shapes(directory / "config.json", config, _merged(weights))
    return str(config["architectures"][0])


def _check_index(path: Path, index: Any, weights: dict[str, dict[str, Tensor]]) -> None:
    """Several weight files need an index, and the index must name each tensor's file."""
    actual = {name: file for file, tensors in weights.items() for name in tensors}
    if index is None:
        if list(weights) != ["model.safetensors"]:
            raise ArtefactError(f"{path.name} is missing", why="the weights are in several files")
    elif not isinstance(index, dict) or index.get("weight_map") != actual:
        raise refused(path, "its weight_map is not what the files hold")


def _check_shapes(path: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Where the layout is that of Llama and Qwen2, config.json must tell the truth about it."""
    if table := tensors.get("model.embed_tokens.weight"):
        told = (config.get("vocab_size"), config.get("hidden_size"))
        if table.shape != told:
            raise refused(path, f"it says {told} for an embedding of shape {table.shape}")
        layers = {int(match[1]) for name in tensors if (match := _LAYER.match(name))}
        if layers != set(range(len(layers))) or config.get("num_hidden_layers") != len(layers):
            raise refused(path, f"its num_hidden_layers is not that of the weights ({len(layers)})")


def _check_adapter(
    directory: Path, read: dict[str, Any], weights: dict[str, dict[str, Tensor]]
) -> str:
    """adapter_config.json and one file of LoRA tensors of the declared rank."""
    path = directory / "adapter_config.json"
    config = read[path.name]
    documents.check_adapter_config(path, config)
    if list(weights) != ["adapter_model.safetensors"]:
        raise ArtefactError(f"{directory} is no adapter", why="it needs adapter_model.safetensors")
    ranks = {config["r"], *(config.get("rank_pattern") or {}).values()}
    rank_axis: dict[str, Callable[[Tensor], int]] = {
        "A": lambda tensor: tensor.shape[0],
        "B": lambda tensor: tensor.shape[1],
    }
    for tensor in weights["adapter_model.safetensors"].values():
        if not _LORA.fullmatch(tensor.name) or len(tensor.shape) != 2:
            raise ArtefactError(
                "adapter_model.safetensors is refused", why=f"{tensor.name} is no LoRA matrix"
            )
        side = tensor.name.split(".lora_")[1].removeprefix("embedding_")[0]
        if rank_axis[side](tensor) not in ranks:
            raise refused(path, f"its rank is not that of {tensor.name}")
    return str(config["peft_type"])
