"""At least sixty ways to smuggle something in, each a change to a good model or adapter."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.registry.artefacts import (
    CONFIG,
    LORA,
    TEMPLATE,
    change_json,
    entry,
    write_json,
    write_raw,
    write_weights,
)

Breaker = Callable[[Path], object]


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


def zipped_pickle() -> bytes:
    """What torch.save writes: a zip archive that holds a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    return buffer.getvalue()


def extra(name: str, data: bytes) -> Breaker:
    """One more file in the folder."""
    return lambda directory: (directory / name).write_bytes(data)


def weights(data: bytes) -> Breaker:
    """Other bytes in place of model.safetensors."""
    return extra("model.safetensors", data)


def raw(header: str | bytes, data: bytes = b"", *, length: int | None = None) -> Breaker:
    """A safetensors file with this header."""
    return lambda directory: write_raw(directory / "model.safetensors", header, data, length=length)


def tensors(data: bytes = bytes(16), **entries: Any) -> Breaker:
    """A safetensors file with these tensors."""
    return raw(json.dumps(entries), data)


def values(*numbers: float, dtype: str = "F32", kind: str = "<f4") -> Breaker:
    """A safetensors file with one tensor of these values."""
    data = np.array(numbers, dtype=kind).tobytes()
    return tensors(data, t=entry(dtype, [len(numbers)], 0, len(data)))


def config(**changes: Any) -> Breaker:
    """Other keys in config.json."""
    return lambda directory: change_json(directory, "config.json", **changes)


def tokenizer(**changes: Any) -> Breaker:
    """Other keys in tokenizer_config.json."""
    return lambda directory: change_json(directory, "tokenizer_config.json", **changes)


def template(source: str) -> Breaker:
    """A chat template in a file of its own."""
    return extra("chat_template.jinja", source.encode())


def adapter(**changes: Any) -> Breaker:
    """Other keys in adapter_config.json."""
    return lambda directory: change_json(directory, "adapter_config.json", **changes)


def _removed(name: str) -> Breaker:
    return lambda directory: (directory / name).unlink()


def _link(directory: Path) -> None:
    (directory / "vocab.txt").symlink_to("/etc/hostname")


def _linked_weights(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory.parent / "elsewhere.safetensors")
    (directory / "model.safetensors").symlink_to(directory.parent / "elsewhere.safetensors")


def _pipe(directory: Path) -> None:
    os.mkfifo(directory / "vocab.txt")


def _subfolder(directory: Path) -> None:
    (directory / "code").mkdir()


def _zip_inside_tensor(directory: Path) -> None:
    data = zipped_pickle()
    data += bytes(-len(data) % 4)
    header = json.dumps({"t": entry("U8", [len(data)], 0, len(data))})
    write_raw(directory / "model.safetensors", header, data)


def _huge_header(directory: Path) -> None:
    with (directory / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 100_000_001) + b"{")
        file.truncate(100_000_100)


def _large_json(directory: Path) -> None:
    (directory / "vocab.json").write_bytes(b'{"a": 0}' + b" " * (64 << 20))


def _two_files(directory: Path) -> None:
    write_weights(directory / "more.safetensors", {"other": np.ones(1, dtype="<f4")})


def _lying_index(directory: Path) -> None:
    write_json(directory, "model.safetensors.index.json", {"weight_map": {"a": "../../x"}})


def _same_tensor_twice(directory: Path) -> None:
    (directory / "more.safetensors").write_bytes((directory / "model.safetensors").read_bytes())
    names = ["embed_tokens", "layers.0.mlp.up_proj", "norm"]
    index = {f"model.{name}.weight": "more.safetensors" for name in names}
    write_json(directory, "model.safetensors.index.json", {"weight_map": index})


def _renamed_adapter(directory: Path) -> None:
    (directory / "adapter_model.safetensors").rename(directory / "model.safetensors")


def _bfloat16(bits: int) -> Breaker:
    return tensors(struct.pack("<HH", 0x3F80, bits), t=entry("BF16", [2], 0, 4))


_T = entry("F32", [4], 0, 16)
_TEXT = json.dumps({"t": _T})
_DUPLICATE = _TEXT[:-1] + ', "t": ' + json.dumps(entry("F32", [2, 2], 0, 16)) + "}"

MODELS: dict[str, Breaker] = {
    # Files that may run code
    "a pickle beside the weights": extra("pytorch_model.bin", pickle.dumps(Bomb())),
    "a pickle named pt": extra("model.pt", pickle.dumps(Bomb())),
    "a pickle named pth": extra("model.pth", pickle.dumps(Bomb())),
    "a pickle named pkl": extra("model.pkl", pickle.dumps(Bomb())),
    "a joblib file": extra("model.joblib", pickle.dumps(Bomb())),
    "an exported program": extra("model.pt2", zipped_pickle()),
    "a keras model": extra("model.keras", zipped_pickle()),
    "an h5 file": extra("model.h5", b"\x89HDF\r\n"),
    "an onnx file": extra("model.onnx", b"\x08\x07"),
    "a gguf file": extra("model.gguf", b"GGUF"),
    "training arguments": extra("training_args.bin", pickle.dumps(Bomb())),
    "a checkpoint": extra("model.ckpt", zipped_pickle()),
    "modelling code": extra("modeling_llama.py", b"import os"),
    "compiled code": extra("modeling_llama.pyc", b"\xa7\r\r\n"),
    "a shared library": extra("kernel.so", b"\x7fELF"),
    "a shell script": extra("install.sh", b"#!/bin/sh"),
    "a notebook": extra("demo.ipynb", b"{}"),
    "a sentencepiece model": extra("tokenizer.model", b"\n\x0e"),
    "a requirements folder": _subfolder,
    "a file with no ending": extra("payload", b"x"),
    "a pickle whose name ends in capitals": extra("model.PKL", pickle.dumps(Bomb())),
    "an archive": extra("model.zip", zipped_pickle()),
    # Names and links
    "a hidden file": extra(".gitattributes", b""),
    "a link to a file outside": _link,
    "weights that are a link": _linked_weights,
    "a named pipe": _pipe,
    "a newline in a name": extra("vocab\n.txt", b""),
    "a name that reads backwards": extra("vocab\u202etxt.json", b"{}"),
    "a backslash in a name": extra("..\\vocab.txt", b""),
    "names that differ in case": extra("Config.json", json.dumps(CONFIG).encode()),
    # Bytes that are no safetensors
    "a pickle renamed": weights(pickle.dumps(Bomb(), protocol=2)),
    "an old pickle renamed": weights(pickle.dumps(Bomb(), protocol=0)),
    "a zip renamed": weights(zipped_pickle()),
    "a zip inside a tensor": _zip_inside_tensor,
    "an empty file": weights(b""),
    "three bytes": weights(b"abc"),
    "a header longer than the file": raw(_TEXT, length=5_000),
    "a header of 100 MB": _huge_header,
    "a header length of 2**64 - 1": weights(b"\xff" * 8 + b"{}"),
    "a header that is a list": raw("[1]"),
    "a header that is empty": raw("{}"),
    "a header that starts with a blank": raw(" " + _TEXT, bytes(16)),
    "a header that is not UTF-8": raw(b'{"\xff": 1}'),
    "a header that is broken JSON": raw('{"t": '),
    "a header with a key twice": raw(_DUPLICATE, bytes(16)),
    "a header nested too deep": raw('{"t":' + "[" * 100_000),
    "a header with metadata that is a list": tensors(__metadata__=[], t=_T),
    # Tensors that do not fit
    "offsets beyond the file": tensors(bytes(8), t=_T),
    "bytes behind the last tensor": tensors(bytes(20), t=_T),
    "bytes before the first tensor": tensors(bytes(20), t=entry("F32", [4], 4, 20)),
    "overlapping tensors": tensors(a=entry("F32", [3], 0, 12), b=entry("F32", [2], 8, 16)),
    "the same bytes twice": tensors(a=_T, b=_T),
    "a gap between tensors": tensors(a=entry("F32", [1], 0, 4), b=entry("F32", [1], 12, 16)),
    "offsets in reverse": tensors(t=entry("F32", [4], 16, 0)),
    "negative offsets": tensors(t=entry("F32", [4], -16, 0)),
    "fractional offsets": tensors(t=entry("F32", [4], 0.0, 16.0)),
    "offsets that are booleans": tensors(b"\0", t=entry("U8", [1], False, True)),
    "one offset": tensors(t={"dtype": "F32", "shape": [4], "data_offsets": [16]}),
    "a shape larger than its bytes": tensors(t=entry("F32", [5], 0, 16)),
    "a shape that overflows": tensors(t=entry("F32", [1 << 62, 1 << 62, 0, 4], 0, 16)),
    "a negative shape": tensors(t=entry("F32", [-2, -2], 0, 16)),
    "a shape that is text": tensors(t={"dtype": "F32", "shape": "4", "data_offsets": [0, 16]}),
    "an unknown dtype": tensors(t=entry("OBJECT", [4], 0, 16)),
    "a dtype that is a list": tensors(t=entry(["F32"], [4], 0, 16)),
    "a tensor with one key more": tensors(t={**_T, "callback": "os.system"}),
    "a tensor with an odd name": tensors(**{"../x\n": _T}),
    # Values
    "NaN": values(1, float("nan")),
    "infinity": values(1, float("inf")),
    "minus infinity": values(float("-inf")),
    "NaN in half precision": values(float("nan"), 0, dtype="F16", kind="<f2"),
    "NaN in double precision": values(float("nan"), dtype="F64", kind="<f8"),
    "NaN in bfloat16": _bfloat16(0x7FC1),
    "infinity in bfloat16": _bfloat16(0xFF80),
    "NaN in 8-bit e4m3": tensors(b"\x00\xff", t=entry("F8_E4M3", [2], 0, 2)),
    "infinity in 8-bit e5m2": tensors(b"\x00\x7c", t=entry("F8_E5M2", [2], 0, 2)),
    # The set of files
    "no weights": _removed("model.safetensors"),
    "no config": _removed("config.json"),
    "no tokenizer": _removed("tokenizer.json"),
    "two weight files without an index": _two_files,
    "an index that points elsewhere": _lying_index,
    "one tensor in two files": _same_tensor_twice,
    # JSON
    "auto_map in the config": config(auto_map={"AutoModel": "evil--modeling.Evil"}),
    "auto_map deep in the config": config(text_config={"x": [{"auto_map": {}}]}),
    "auto_map in the tokenizer": tokenizer(auto_map={"AutoTokenizer": ["evil.Tokenizer", None]}),
    "trust_remote_code": config(trust_remote_code=True),
    "code for generation": config(custom_generate="evil/repo"),
    "a kernel from a hub": config(attn_implementation="evil/kernels"),
    "a kernel in a hidden key": config(_attn_implementation="evil/kernels:run"),
    "a hydra target": config(head={"_target_": "os.system"}),
    "a model type with a path": config(model_type="../../evil"),
    "a tokenizer class with a path": tokenizer(tokenizer_class="evil/repo--Evil"),
    "a vocabulary outside": tokenizer(vocab_file="/etc/passwd"),
    "a vocabulary above": tokenizer(vocab_file="../../secret"),
    "two architectures": config(architectures=["LlamaForCausalLM", "Evil"]),
    "an architecture that is code": config(architectures=["__import__('os')"]),
    "a config that lies about its size": config(hidden_size=1 << 40),
    "a config that lies about its layers": config(num_hidden_layers=10**9),
    "JSON with NaN": extra("generation_config.json", b'{"x": NaN}'),
    "JSON with an endless number": extra("generation_config.json", b'{"x": 1e999}'),
    "a config with a very long number": extra("config.json", b'{"x": ' + b"9" * 5000 + b"}"),
    "a config with a key twice": extra("config.json", b'{"a": 1, "a": 2}'),
    "a config in UTF-16": extra("config.json", json.dumps(CONFIG).encode("utf-16")),
    "a config with a byte order mark": extra(
        "config.json", b"\xef\xbb\xbf" + json.dumps(CONFIG).encode()
    ),
    "a config that is no object": extra("config.json", b"[]"),
    "JSON nested too deep": extra("extra.json", b"[" * 100_000 + b"]" * 100_000),
    "JSON that is too large": _large_json,
    "JSON with a pickle in it": extra("extra.json", pickle.dumps(Bomb())),
    "text that is not UTF-8": extra("merges.txt", b"\xff\xfe\x00"),
    "text with a NUL": extra("merges.txt", b"a\0b"),
    # Chat templates
    "a template that climbs classes": template("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    "a template that subscripts classes": template("{{ messages['__class__'] }}"),
    "a template with the attr filter": template("{{ messages | attr('_' ~ '_class_' ~ '_') }}"),
    "a template that maps attributes": template("{{ [1] | map(attribute='__class__') | list }}"),
    "a template that joins a name": template("{% set n = ['_', '_class_', '_'] | join %}{{ n }}"),
    "a template that escapes underscores": template("{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}"),
    "a template that computes a name": template("{{ messages['cl' ~ 'ass'] }}"),
    "a template that formats a name": template("{{ '%c%c' | format(95, 95) }}"),
    "a template that imports": template("{% import 'evil' as evil %}"),
    "a template that includes a file": template("{% include '/etc/passwd' %}"),
    "a template that extends another": template("{% extends 'evil' %}"),
    "a template that uses a global": template("{{ lipsum.x }}"),
    "a template that calls a function": template("{{ open('/etc/passwd') }}"),
    "a template that calls a method": template("{{ messages.mro() }}"),
    "a template that calls a result": template("{{ messages[0]() }}"),
    "a template with a huge loop": template("{% for i in range(999999999) %}x{% endfor %}"),
    "a template with a huge power": template("{{ 9 ** 9 ** 9 }}"),
    "a template with a huge text": template("{{ 'x' * 99999 }}"),
    "a template that does not parse": template("{% for %}"),
    "a template that is too large": template("x" * ((256 << 10) + 1)),
    "a template in the tokenizer": tokenizer(chat_template="{{ x.__init__.__globals__ }}"),
    "a template among several": tokenizer(
        chat_template=[
            {"name": "default", "template": TEMPLATE},
            {"name": "tools", "template": "{{ self._TemplateReference__context }}"},
        ]
    ),
    "a template in chat_template.json": extra(
        "chat_template.json", json.dumps({"chat_template": "{{ x.__dict__ }}"}).encode()
    ),
}

ADAPTERS: dict[str, Breaker] = {
    "another kind of adapter": adapter(peft_type="XLORA"),
    "modules to save": adapter(modules_to_save=["lm_head"]),
    "a library to import": adapter(auto_mapping={"parent_library": "evil"}),
    "a megatron module to import": adapter(megatron_config={"x": 1}, megatron_core="evil"),
    "layers that repeat": adapter(layer_replication=[[0, 10**6]]),
    "a pattern for modules": adapter(target_modules="(a+)+$"),
    "a pattern for excluded modules": adapter(exclude_modules=["(a+)+$"]),
    "a pattern for ranks": adapter(rank_pattern={"(a+)+$": 2}),
    "a rank of a million": adapter(r=1_000_000),
    "a rank that lies": adapter(r=3),
    "no rank": extra("adapter_config.json", b'{"peft_type": "LORA"}'),
    "code in an adapter": extra("adapter.py", b"import os"),
    "a pickled adapter": extra("adapter_model.bin", pickle.dumps(Bomb())),
    "auto_map in an adapter": adapter(auto_map={"x": "evil"}),
    "a whole layer in an adapter": lambda directory: write_weights(
        directory / "adapter_model.safetensors",
        {"base_model.model.lm_head.weight": np.ones((2, 2), dtype="<f4")},
    ),
    "an adapter under another name": _renamed_adapter,
    "an adapter config that is no object": extra("adapter_config.json", b"[]"),
    "an adapter config with a key twice": extra(
        "adapter_config.json", json.dumps(LORA)[:-1].encode() + b', "r": 4}'
    ),
}
