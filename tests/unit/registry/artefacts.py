"""A good model and a good adapter written without torch, the parts to break them with."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 8,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "rms_norm_eps": 1e-6,
}
TOKENIZER = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0, "auto_map": 1}}}
TEMPLATE = (
    "{%- for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message.content | trim + '<|im_end|>\\n' }}"
    "{%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LORA = {"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "lora_alpha": 4}


def write_model(directory: Path, *, seed: int = 0) -> Path:
    """A tiny model in the layout of Llama."""
    directory.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    write_json(directory, "config.json", CONFIG)
    write_json(directory, "tokenizer.json", TOKENIZER)
    write_json(directory, "tokenizer_config.json", {"chat_template": TEMPLATE})
    weights = {
        "model.embed_tokens.weight": random.normal(size=(8, 4)).astype("<f4"),
        "model.layers.0.mlp.up_proj.weight": random.normal(size=(4, 4)).astype("<f4"),
        "model.norm.weight": np.ones(4, dtype="<f4"),
    }
    write_weights(directory / "model.safetensors", weights)
    return directory


def write_adapter(directory: Path) -> Path:
    """A tiny LoRA adapter of rank 2."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory, "adapter_config.json", LORA)
    at = "base_model.model.model.layers.0.self_attn.q_proj"
    weights = {
        f"{at}.lora_A.weight": np.ones((2, 4), dtype="<f4"),
        f"{at}.lora_B.weight": np.ones((4, 2), dtype="<f4"),
    }
    write_weights(directory / "adapter_model.safetensors", weights)
    return directory


def write_weights(path: Path, weights: dict[str, np.ndarray[Any, Any]]) -> None:
    """A safetensors file of 32-bit floats."""
    header, data = {}, b""
    for name, array in weights.items():
        begin = len(data)
        data += array.tobytes()
        header[name] = entry("F32", array.shape, begin, len(data))
    write_raw(path, json.dumps(header), data)


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    """One tensor of a header."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def write_raw(path: Path, header: str | bytes, data: bytes, *, length: int | None = None) -> None:
    """A safetensors file with any header, and with a header length that may lie."""
    encoded = header.encode() if isinstance(header, str) else header
    size = len(encoded) if length is None else length
    path.write_bytes(struct.pack("<Q", size) + encoded + data)


def write_json(directory: Path, name: str, document: Any) -> None:
    """One JSON file of a model."""
    (directory / name).write_text(json.dumps(document))


def change_json(directory: Path, name: str, **changes: Any) -> None:
    """Set keys of a JSON file that is there."""
    document = json.loads((directory / name).read_text())
    write_json(directory, name, {**document, **changes})
