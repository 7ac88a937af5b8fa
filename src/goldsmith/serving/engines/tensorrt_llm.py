"""TensorRT-LLM: `trtllm-serve`, whose metrics are JSON and which loads no adapters as it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from goldsmith.serving.engines.answers import LoadFigures
from goldsmith.serving.engines.engine import Engine, StartOptions

CONFIG = Path(__file__).with_name("trtllm.yaml")
"""What its command line cannot say."""

_IDLE = LoadFigures(running=0, waiting=0, kv_use=0.0)


class TensorRTLLMEngine(Engine):
    """A client of a `trtllm-serve` server."""

    name = "tensorrt-llm"
    lacks = frozenset({"adapters", "names"})
    """Its server has no route that loads an adapter, and does not look at `model`."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, *, timeout_s: float = 60.0
    ) -> None:
        super().__init__(url, session, timeout_s=timeout_s)
        self._last = _IDLE

    @classmethod
    def command(cls, model_dir: Path, port: int, options: StartOptions) -> list[str]:
        """`trtllm-serve` of a folder; it tells its iteration statistics only if asked to."""
        command = ["trtllm-serve", "serve", str(model_dir), "--host", options.host]
        command += ["--port", str(port), "--max_batch_size", str(options.slots)]
        command += ["--max_seq_len", str(options.context), "--served_model_name", options.names[0]]
        return [*command, "--config", str(CONFIG)]

    def read_load(self, body: bytes) -> LoadFigures:
        """Of the newest iteration; the server tells each once, so none since means no change."""
        iterations = json.loads(body)
        if iterations:
            self._last = _read_iteration(iterations[-1])
        return self._last


def _read_iteration(iteration: dict[str, Any]) -> LoadFigures:
    cache = iteration["kvCacheStats"]
    blocks = int(cache["maxNumBlocks"])
    used = int(cache["usedNumBlocks"]) / blocks if blocks else 0.0
    running, waiting = int(iteration["numActiveRequests"]), int(iteration["numQueuedRequests"])
    return LoadFigures(running, waiting, used)
