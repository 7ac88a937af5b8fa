"""The built-in engine: `goldsmith.serving.builtin`, which keeps vLLM's contract on a CPU."""

from __future__ import annotations

import sys
from pathlib import Path

from goldsmith.serving.engines.answers import LoadFigures, read_vllm_load
from goldsmith.serving.engines.engine import Engine, StartOptions


class BuiltinEngine(Engine):
    """A client of the built-in engine."""

    name = "builtin"

    @classmethod
    def command(cls, model_dir: Path, port: int, options: StartOptions) -> list[str]:
        """`python -m goldsmith.serving.builtin` with this interpreter."""
        command = [sys.executable, "-m", "goldsmith.serving.builtin", str(model_dir)]
        command += ["--host", options.host, "--port", str(port), "--slots", str(options.slots)]
        command += ["--context", str(options.context)]
        for name in options.names:
            command += ["--served-model-name", name]
        if options.adapters_root:
            command += ["--adapters-root", str(options.adapters_root)]
            command += ["--max-loras", str(options.max_loras)]
            command += ["--max-lora-rank", str(options.max_lora_rank)]
        return command

    def read_load(self, body: bytes) -> LoadFigures:
        """From metrics named as vLLM's."""
        return read_vllm_load(body, kv_use=("vllm:kv_cache_usage_perc",))
