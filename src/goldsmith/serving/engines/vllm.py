"""vLLM: `vllm serve`, adapters loaded while it runs, Prometheus metrics."""

from __future__ import annotations

import os
from pathlib import Path

from goldsmith.serving.engines.answers import LoadFigures, read_vllm_load
from goldsmith.serving.engines.engine import Engine, StartOptions

HOME = "VLLM_HOME"
"""Environment variable: the virtual environment that holds vLLM; unset: `vllm` of the PATH."""


class VLLMEngine(Engine):
    """A client of a vLLM server."""

    name = "vllm"
    lacks = frozenset({"seed"})
    """A request's own seed kills the CPU engine at concurrency (facts/trl.md section 6)."""

    @classmethod
    def command(cls, model_dir: Path, port: int, options: StartOptions) -> list[str]:
        """`vllm serve` of a folder."""
        home = os.environ.get(HOME, "")
        program = str(Path(home) / "bin" / "vllm") if home else "vllm"
        command = [program, "serve", str(model_dir), "--host", options.host, "--port", str(port)]
        command += ["--served-model-name", *options.names, "--dtype", "bfloat16"]
        command += ["--max-model-len", str(options.context), "--max-num-seqs", str(options.slots)]
        if options.adapters_root:
            loras = str(options.max_loras)
            command += ["--enable-lora", "--max-loras", loras, "--max-cpu-loras", loras]
            command += ["--max-lora-rank", str(options.max_lora_rank)]
        return command

    @classmethod
    def environment(cls, options: StartOptions) -> dict[str, str]:
        """Adapters while it runs; on a CPU the target and a small cache."""
        environment = super().environment(options) | {"VLLM_NO_USAGE_STATS": "1"}
        if options.adapters_root:
            environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
        if options.cpu:
            environment |= {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1"}
            environment["VLLM_CPU_OMP_THREADS_BIND"] = "0-1"
        return environment

    def read_load(self, body: bytes) -> LoadFigures:
        """From its metrics; the cache's had another name before 0.10."""
        return read_vllm_load(
            body, kv_use=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
        )
