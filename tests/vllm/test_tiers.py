"""Plain vLLM loads every shipped tier, chats with it and swaps a rank-8 adapter in and out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from goldsmith.registry.bases import SHIPPED

VLLM = Path(os.environ.get("VLLM_HOME", "")) / "bin" / "vllm"
START_S = 240

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not VLLM.is_file(), reason="run by `make test-vllm`"),
]


@contextmanager
def serving(model: Path, log: Path) -> Iterator[str]:
    """A vLLM server of one model on a free port; its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "0-1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "HF_HUB_OFFLINE": "1",
    }
    options = (
        "--dtype bfloat16 --max-model-len 512 --max-num-seqs 16 --enable-lora --max-lora-rank 8"
    )
    command = [str(VLLM), "serve", str(model), "--port", str(port), "--host", "127.0.0.1"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--served-model-name", "tier", *options.split()],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, process, log)
        yield url
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.5)  # another program starts: there is nothing to wait on but its port
    raise AssertionError("vLLM did not start:\n" + "\n".join(log.read_text().splitlines()[-20:]))


def post(url: str, body: dict[str, Any]) -> Any:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as response:
        data = response.read()
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


def chat(url: str, model: str) -> str:
    prompt = "make the meal.\nrecipe: carrot.\nsteps: ombrate the carrot. prepare and eat the meal."
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 24,
        "temperature": 0,
        "skip_special_tokens": False,
    }
    return str(post(f"{url}/v1/chat/completions", body)["choices"][0]["message"]["content"])


@pytest.fixture(name="adapter", params=["gold", "silver", "bronze"])
def _adapter(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A tier's base model and a rank-8 adapter of it that changes what it says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = SHIPPED / request.param
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=8, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(tmp_path / "adapter")
    return base, tmp_path / "adapter"


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's use of it
def test_vllm_serves_the_tier_and_swaps_its_adapter(
    adapter: tuple[Path, Path], tmp_path: Path
) -> None:
    base, folder = adapter
    with serving(base, tmp_path / "vllm.log") as url:
        plain = chat(url, "tier")
        assert "<think>" in plain
        post(f"{url}/v1/load_lora_adapter", {"lora_name": "other", "lora_path": str(folder)})
        assert chat(url, "other") != plain
        post(f"{url}/v1/unload_lora_adapter", {"lora_name": "other"})
        assert chat(url, "tier") == plain
