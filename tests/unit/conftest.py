"""A tiny model from scratch, for tests of the trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TEXT = (
    "<think>look it up</think>open fridge take onion knife counter prepare eat meal cook with oven"
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with the laptop tiers' tokenizer and chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from goldsmith.training.base.tokenizer import train_tokenizer

    directory = tmp_path_factory.mktemp("tiny")
    tokenizer: Any = train_tokenizer([TEXT] * 4, size=320, names=())
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
