"""reasoning-gym as the second domain: sums, word problems and the Tower of Hanoi.

Only three families are let in: several of the library's verifiers give points for garbage (that of
`game_of_life_halting` 1.0 for any wrong text), so a family enters with a garbage test, and its
score counts only if it is 1.0.
"""

from goldsmith.tasks.reasoning.domain import ReasoningDomain

__all__ = ["ReasoningDomain"]
