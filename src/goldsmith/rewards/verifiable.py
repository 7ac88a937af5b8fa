"""RLVR's reward: 1 if the verifier says the task is solved, else 0."""

from __future__ import annotations

from goldsmith.tasks.domain import Outcome


def outcome_reward(outcome: Outcome) -> float:
    """1 or 0; the score is logged and never optimised."""
    return 1.0 if outcome.solved else 0.0
