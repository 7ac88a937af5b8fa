"""Batched decoding: forced tokens, finished rows, determinism."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from goldsmith.rollouts.generation import Completion, Decoder, generate
from goldsmith.rollouts.policy import Policy, load_policy

PROMPTS = [[6, 7, 8], [9, 10, 11, 12, 13]]


def grouped(directory: Path, **options: Any) -> Policy:
    """A random Qwen2 in which two heads share a key, with the tokenizer of `directory`."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    tokenizer = load_policy(directory).tokenizer
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen2Config(vocab_size=320, **sizes, **heads, **ends, **options)
    return Policy(Qwen2ForCausalLM(config).eval(), tokenizer)


WINDOWS = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}


@pytest.fixture(
    name="policy",
    params=[
        pytest.param(load_policy, id="llama"),
        pytest.param(grouped, id="heads-that-share-keys"),
        pytest.param(partial(grouped, **WINDOWS), id="windows-that-cannot-share-prompts"),
    ],
)
def _policy(tiny_model: Path, request: pytest.FixtureRequest) -> Policy:
    policy: Policy = request.param(tiny_model)
    return policy


def run(policy: Policy, replies: Sequence[int] | None = None, **options: float) -> list[Completion]:
    settings = {"samples": 4, "temperature": 1.0, "max_new_tokens": 6, **options}
    left = {row: list(replies or []) for row in range(100)}

    def respond(row: int, text: str, ended: bool) -> list[int] | None:
        reply, left[row] = left[row], []
        return reply or None

    return generate(
        policy,
        PROMPTS,
        generator=torch.Generator().manual_seed(3),
        respond=respond,
        **settings,  # type: ignore[arg-type]  # each test passes its own
    )


def test_the_same_seed_gives_the_same_tokens(policy: Policy) -> None:
    assert [c.ids for c in run(policy)] == [c.ids for c in run(policy)]


def test_greedy_equals_the_models_own_argmax_without_a_cache(policy: Policy) -> None:
    for prompt, completion in zip(PROMPTS, run(policy, samples=1, temperature=0.0), strict=True):
        ids = list(prompt)
        for token in completion.ids:
            logits = policy.model(input_ids=torch.tensor([ids])).logits[0, -1]
            assert int(logits.argmax()) == token
            ids.append(token)


def test_a_turn_that_hits_its_budget_is_truncated_and_ends_the_row(policy: Policy) -> None:
    policy.eos_ids = frozenset()
    completions = run(policy, max_new_tokens=3)
    assert all(c.truncated and len(c.ids) == 3 for c in completions)


def test_an_observation_is_fed_and_masked(policy: Policy) -> None:
    policy.eos_ids = frozenset(range(320))  # every turn is one token
    for completion in run(policy, replies=[5, 6, 7]):
        assert completion.ids[1:4] == [5, 6, 7]
        assert completion.mask == [1, 0, 0, 0, 1]


def test_rows_that_finish_early_do_not_disturb_the_others(policy: Policy) -> None:
    policy.eos_ids = frozenset(range(0, 320, 2))  # rows end at different times
    alone = run(policy, samples=1, temperature=0.0)
    together = run(policy, samples=6, temperature=0.0)
    assert [c.ids for c in together[::6]] == [c.ids for c in alone]


def test_a_row_stops_before_the_models_context_is_full(policy: Policy) -> None:
    policy.eos_ids, policy.max_tokens = frozenset(), 9
    lengths = [len(c.ids) for c in run(policy, max_new_tokens=50)]
    assert lengths == [6] * 4 + [4] * 4


def test_prompts_are_shared_by_their_rows_unless_a_layer_sees_only_a_window(
    tiny_model: Path,
) -> None:
    plain, windowed = grouped(tiny_model), grouped(tiny_model, **WINDOWS)
    assert Decoder(plain, PROMPTS, samples=4).prefix is not None
    assert Decoder(windowed, PROMPTS, samples=4).prefix is None
