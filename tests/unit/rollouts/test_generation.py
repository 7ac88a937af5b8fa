"""Batched decoding: forced tokens, finished rows, determinism."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from goldsmith.rollouts.generation import Completion, generate
from goldsmith.rollouts.policy import Policy, load_policy

PROMPTS = [[6, 7, 8], [9, 10, 11, 12, 13]]


@pytest.fixture(name="policy")
def _policy(tiny_model: Path) -> Policy:
    return load_policy(tiny_model)


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
