"""Tokens are chosen as each row asked, whatever the other rows ask."""

from __future__ import annotations

import random

import pytest
import torch

from goldsmith.serving.builtin.sampling import Choice, Sampling, choose


def chosen(logits: torch.Tensor, sampling: Sampling, *, seed: int = 0) -> Choice:
    return choose(logits[None], [sampling], [random.Random(seed)])[0]


def test_temperature_0_takes_the_likeliest() -> None:
    assert chosen(torch.tensor([0.0, 3.0, 1.0]), Sampling(1, temperature=0)).token == 1


def test_draws_follow_the_probabilities() -> None:
    probabilities = torch.tensor([0.1, 0.6, 0.3])
    sampling, numbers = Sampling(1, temperature=1.0), random.Random(0)
    rows = 4000
    choices = choose(probabilities.log().repeat(rows, 1), [sampling] * rows, [numbers] * rows)
    counts = torch.bincount(torch.tensor([choice.token for choice in choices]), minlength=3)
    assert torch.allclose(counts / rows, probabilities, atol=0.03)


def test_low_temperature_sharpens() -> None:
    logits = torch.tensor([1.0, 2.0])
    cold = [chosen(logits, Sampling(1, temperature=0.05), seed=seed).token for seed in range(50)]
    assert set(cold) == {1}


def test_top_p_leaves_out_the_tail() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    drawn = {chosen(logits, Sampling(1, top_p=0.6), seed=seed).token for seed in range(200)}
    assert drawn == {0, 1}
    assert {chosen(logits, Sampling(1, top_p=0.0), seed=seed).token for seed in range(9)} <= {0}


def test_seed_decides_whatever_the_neighbours_do() -> None:
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    sampling = Sampling(1, temperature=1.0)
    alone = chosen(logits[1], sampling, seed=7)
    others = [Sampling(1, temperature=0.5, top_p=0.9), sampling, Sampling(1, temperature=0)]
    together = choose(logits, others, [random.Random(seed) for seed in (1, 7, 2)])
    assert together[1].token == alone.token


def test_logprobs_are_the_models_own() -> None:
    logits = torch.tensor([0.0, 2.0, 1.0])
    choice = chosen(logits, Sampling(1, temperature=0, logprobs=2))
    expected = logits.log_softmax(-1)
    assert choice.logprob == pytest.approx(float(expected[1]))
    assert [token for token, _ in choice.top] == [1, 2]
    assert chosen(logits, Sampling(1, temperature=0)).top == ()
