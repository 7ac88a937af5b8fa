"""Each engine is started by its own command and asked only what it understands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from goldsmith.errors import ConfigError
from goldsmith.serving.engines import (
    ENGINES,
    Request,
    StartOptions,
    TensorRTLLMEngine,
    VLLMEngine,
    open_engine,
)

MODEL = Path("/models/gold")
NO_SESSION = cast(aiohttp.ClientSession, None)
OPTIONS = StartOptions(names=("gold", "v1"), adapters_root=Path("/adapters"), max_loras=3, cpu=True)


@pytest.mark.parametrize("name", ENGINES)
def test_command_names_model_port_and_served_name(name: str) -> None:
    kind = type(open_engine(name, "http://engine", NO_SESSION))
    command = kind.command(MODEL, 8123, OPTIONS)
    assert str(MODEL) in command
    assert command[command.index("--port") + 1] == "8123"
    assert "gold" in command
    assert kind.environment(OPTIONS)["HF_HUB_OFFLINE"] == "1"


def test_vllm_takes_adapters_only_below_a_root() -> None:
    assert "--enable-lora" in VLLMEngine.command(MODEL, 1, OPTIONS)
    assert VLLMEngine.environment(OPTIONS)["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    none = StartOptions(names=("gold",))
    assert "--enable-lora" not in VLLMEngine.command(MODEL, 1, none)
    assert not any("CPU" in name or "LORA" in name for name in VLLMEngine.environment(none))


def test_vllm_of_another_environment_is_found_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_HOME", "/opt/vllm")
    assert VLLMEngine.command(MODEL, 1, OPTIONS)[0] == "/opt/vllm/bin/vllm"


def test_tensorrt_llm_is_told_to_tell_its_load() -> None:
    command = TensorRTLLMEngine.command(MODEL, 1, OPTIONS)
    config = Path(command[command.index("--config") + 1])
    assert "enable_iter_perf_stats: true" in config.read_text()


def test_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="builtin, vllm, tensorrt-llm"):
        open_engine("ollama", "http://engine", NO_SESSION)


def test_seed_is_left_out_where_the_engine_lacks_it() -> None:
    request = Request(model="gold", prompt="a", seed=7)
    assert request.body(stream=False)["seed"] == 7
    assert "seed" not in request.body(stream=False, lacks=VLLMEngine.lacks)


def test_chat_and_completion_ask_for_logprobs_each_in_its_way() -> None:
    chat = Request(model="gold", messages=[{"role": "user", "content": "a"}], logprobs=True)
    completion = Request(model="gold", prompt="a", logprobs=True)
    assert (chat.path, chat.body(stream=False)["logprobs"]) == ("/v1/chat/completions", True)
    assert (completion.path, completion.body(stream=False)["logprobs"]) == ("/v1/completions", 1)


def test_engines_import_without_torch() -> None:
    code = "import sys, goldsmith.serving.engines, goldsmith.serving.play as p; " + (
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
