"""The smallest shipped model, loaded once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from goldsmith.rollouts.policy import Policy, load_policy
from tests.fixtures.builtin_engine import GOLD


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The base of gold, as its engine has it; tests that switch adapters load their own."""
    return load_policy(GOLD)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the engine has it: two contended threads run 3-10 times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
