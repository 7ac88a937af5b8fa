"""The private hooks of TRL that the adapter overrides, and its log probabilities."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from trl import GRPOTrainer

from goldsmith.rollouts.policy import load_policy
from goldsmith.training.trl_adapter import GroupTrainer, _shared_prefix_logps


def test_the_overridden_hook_still_has_the_signature_that_we_override() -> None:
    theirs = list(inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters)
    ours = list(inspect.signature(GroupTrainer._get_per_token_logps_and_entropies).parameters)
    assert theirs[: len(ours) - 1] == ours[:-1]


@pytest.mark.parametrize("name", ["_log_metric", "_generate", "_prepare_inputs"])
def test_hooks_that_the_adapter_relies_on_exist(name: str) -> None:
    assert callable(getattr(GRPOTrainer, name))


def test_rollout_func_may_return_a_mask_of_observations() -> None:
    assert '"env_mask"' in inspect.getsource(GRPOTrainer._generate)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Four rows of two left-padded prompts with right-padded completions of up to four tokens."""
    ids = torch.tensor(
        [
            [0, 5, 6, 7, 20, 21, 22, 1],
            [0, 5, 6, 7, 23, 1, 0, 0],
            [8, 9, 10, 11, 24, 25, 1, 0],
            [8, 9, 10, 11, 24, 26, 27, 1],
        ]
    )
    mask = (ids != 0).long()
    return ids, mask


def test_shared_prompts_give_the_log_probabilities_of_whole_rows(tiny_model: Path) -> None:
    model = load_policy(tiny_model).model
    ids, mask = batch()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, 3:-1]
    whole = logits.log_softmax(-1).gather(-1, ids[:, 4:, None]).squeeze(-1)
    shared, _ = _shared_prefix_logps(model, ids, mask, 4, temperature=1.0)
    seen = mask[:, 4:].bool()
    torch.testing.assert_close(shared[seen], whole[seen], atol=1e-5, rtol=1e-5)


def test_shared_prompts_give_the_gradients_of_whole_rows(tiny_model: Path) -> None:
    model = load_policy(tiny_model).model
    ids, mask = batch()
    seen = mask[:, 4:].bool()

    def gradient(logps: torch.Tensor) -> torch.Tensor:
        model.zero_grad()
        logps[seen].sum().backward()  # type: ignore[no-untyped-call]  # torch's
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, 3:-1]
    whole = gradient(logits.log_softmax(-1).gather(-1, ids[:, 4:, None]).squeeze(-1))
    shared = gradient(_shared_prefix_logps(model, ids, mask, 4, temperature=1.0)[0])
    torch.testing.assert_close(shared, whole, atol=1e-4, rtol=1e-4)
