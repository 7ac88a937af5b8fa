"""The smallest shipped model, loaded once."""

from __future__ import annotations

import pytest

from goldsmith.rollouts.policy import Policy, load_policy
from tests.fixtures.builtin_engine import GOLD


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The base of gold, as its engine has it; tests that switch adapters load their own."""
    return load_policy(GOLD)
