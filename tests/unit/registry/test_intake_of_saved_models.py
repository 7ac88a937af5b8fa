"""What transformers and peft write themselves is taken as it is."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from goldsmith.registry.intake import check_artefact
from tests.unit.registry.artefacts import TEMPLATE

SIZES: dict[str, Any] = {
    "vocab_size": 16,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}
LLAMA = LlamaForCausalLM, LlamaConfig
QWEN = Qwen2ForCausalLM, Qwen2Config


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        pytest.param(LLAMA, torch.float32, id="llama"),
        pytest.param(QWEN, torch.float32, id="qwen2"),
        pytest.param(QWEN, torch.bfloat16, id="qwen2 in bfloat16"),
        pytest.param(LLAMA, torch.float16, id="llama in float16"),
    ],
)
def test_a_model_saved_by_transformers_is_taken(
    tmp_path: Path, kind: tuple[Any, Any], dtype: torch.dtype
) -> None:
    model = kind[0](kind[1](**SIZES)).to(dtype)
    model.save_pretrained(tmp_path)
    _save_tokenizer(tmp_path)
    artefact = check_artefact(tmp_path)
    assert artefact.architecture == kind[0].__name__
    assert artefact.parameters == sum(weight.numel() for weight in model.parameters())


def test_a_model_saved_in_shards_is_taken(tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(tmp_path, max_shard_size="20KB")
    _save_tokenizer(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    check_artefact(tmp_path)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft 0.21
def test_an_adapter_saved_by_peft_is_taken(tmp_path: Path) -> None:
    config = peft.LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(LlamaForCausalLM(LlamaConfig(**SIZES)), config).save_pretrained(tmp_path)
    assert check_artefact(tmp_path).form == "adapter"


def test_a_model_with_nan_trained_into_it_is_not_taken(tmp_path: Path) -> None:
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    with torch.no_grad():
        model.lm_head.weight[3, 3] = float("nan")
    model.save_pretrained(tmp_path)
    _save_tokenizer(tmp_path)
    with pytest.raises(ValueError, match=r"lm_head\.weight holds NaN or infinity"):
        check_artefact(tmp_path)
    AutoModelForCausalLM.from_pretrained(tmp_path)  # which nobody but the intake notices


def _save_tokenizer(directory: Path) -> None:
    words = {"<unk>": 0, "auto_map": 1, "__class__": 2}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<unk>")), unk_token="<unk>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(directory)
