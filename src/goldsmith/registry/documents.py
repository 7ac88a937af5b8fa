"""The JSON of a model: parsed strictly, and searched for anything that would run code.

Beyond `auto_map` and `trust_remote_code`, these keys make transformers or peft import something:
`custom_generate` (a Python file), `attn_implementation` with a slash (a kernel from a hub),
`auto_mapping` and `megatron_core` (a module's name).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldsmith.errors import ArtefactError

_CODE_KEYS = {
    "auto_map",
    "trust_remote_code",
    "code_revision",
    "custom_generate",
    "custom_pipelines",
    "kernel_config",
    "_target_",
    "py/object",
    "py/reduce",
    "__reduce__",
    "__class__",
}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.]+")
_NAME_KEYS = {"model_type", "tokenizer_class", "processor_class", "quant_method", "torch_dtype"}
_ADAPTER_MUST_BE_EMPTY = (
    "modules_to_save",
    "auto_mapping",
    "megatron_config",
    "layer_replication",
    "layers_pattern",
)
_ADAPTER_PATTERNS = ("rank_pattern", "alpha_pattern")


def refused(path: Path, why: str) -> ArtefactError:
    """The error for one file of a model, on one line even if its name is not."""
    name = path.name if path.name.isprintable() else ascii(path.name)
    return ArtefactError(f"{name} is refused", why=why)


def parse_json(data: bytes, *, path: Path) -> Any:
    """Parse strictly: UTF-8 without a mark, no duplicate key, no NaN, not too deep."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise refused(path, "it is nested too deep") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise refused(path, str(error)) from error


def check_document(path: Path, document: Any) -> None:
    """Refuse keys that run code and names that are more than names, at any depth."""
    for key, value in walk(_without_vocabulary(path, document)):
        if key in _CODE_KEYS:
            raise refused(path, f"{key} would run code that comes with the model")
        if key.endswith("_implementation") and not _plain(value):
            raise refused(path, f"{key} {str(value)[:80]!r} would load a kernel from a hub")
        if key in _NAME_KEYS and not _plain(value):
            raise refused(path, f"{key} {str(value)[:80]!r} is no plain name")
        if key.endswith("_file") and isinstance(value, str) and not _local(path, value):
            raise refused(path, f"{key} {value[:80]!r} is no file of the model")


def check_config(path: Path, config: Any) -> None:
    """Refuse a config.json that does not describe one model."""
    if not isinstance(config, dict):
        raise refused(path, "it is not an object")
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or len(architectures) != 1:
        raise refused(path, "it must name one architecture")
    if not _plain(architectures[0]) or not isinstance(config.get("model_type"), str):
        raise refused(path, "architecture and model_type must be plain names")


def check_adapter_config(path: Path, config: Any) -> None:
    """Refuse an adapter_config.json that is not a plain LoRA adapter of named modules."""
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise refused(path, "only adapters with peft_type LORA are taken")
    for key in _ADAPTER_MUST_BE_EMPTY:
        if config.get(key):
            raise refused(path, f"{key} must be empty")
    for key in ("target_modules", "exclude_modules"):
        names = config.get(key) or []
        if not isinstance(names, list) or not all(_plain(name) for name in names):
            raise refused(path, f"{key} must be a list of plain module names, not a pattern")
    for key in _ADAPTER_PATTERNS:
        if not all(_plain(name) for name in config.get(key) or {}):
            raise refused(path, f"{key} must name modules, not patterns")
    if type(config.get("r")) is not int or not 1 <= config["r"] <= 1024:
        raise refused(path, "the rank r must be between 1 and 1024")


def walk(document: Any) -> Iterator[tuple[str, Any]]:
    """Every key and its value, at any depth."""
    stack = [document]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield from part.items()
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _without_vocabulary(path: Path, document: Any) -> Any:
    """The document less its vocabulary, in which any word may be a key."""
    if not isinstance(document, dict):
        return document
    if path.name in ("vocab.json", "added_tokens.json"):
        return [value for value in document.values() if type(value) is not int]
    if path.name == "tokenizer.json" and isinstance(model := document.get("model"), dict):
        return {**document, "model": {**model, "vocab": None}}
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is there twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _plain(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(_PLAIN_NAME.fullmatch(value)))


def _local(path: Path, name: str) -> bool:
    return "/" not in name and "\\" not in name and (path.parent / name).is_file()
