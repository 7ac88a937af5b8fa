"""One client for three engines: built-in, vLLM and TensorRT-LLM; `open_engine` picks it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldsmith.config.serving import EngineName
from goldsmith.errors import ConfigError
from goldsmith.serving.engines.builtin import BuiltinEngine
from goldsmith.serving.engines.engine import (
    Answer,
    Engine,
    EngineError,
    LoadFigures,
    Piece,
    Request,
    StartOptions,
    TokenLogprob,
)
from goldsmith.serving.engines.tensorrt_llm import TensorRTLLMEngine
from goldsmith.serving.engines.vllm import VLLMEngine

if TYPE_CHECKING:
    import aiohttp

ENGINES: dict[EngineName, type[Engine]] = {
    "builtin": BuiltinEngine,
    "vllm": VLLMEngine,
    "tensorrt-llm": TensorRTLLMEngine,
}

__all__ = [
    "ENGINES",
    "Answer",
    "BuiltinEngine",
    "Engine",
    "EngineError",
    "LoadFigures",
    "Piece",
    "Request",
    "StartOptions",
    "TensorRTLLMEngine",
    "TokenLogprob",
    "VLLMEngine",
    "open_engine",
]


def open_engine(name: str, url: str, session: aiohttp.ClientSession) -> Engine:
    """A client of the engine at `url`; ConfigError if there is no engine of that name."""
    for known, kind in ENGINES.items():
        if known == name:
            return kind(url, session)
    raise ConfigError(f"no engine named {name!r}", fix=f"use one of {', '.join(ENGINES)}")
