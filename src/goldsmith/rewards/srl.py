"""SRL rewards of one action against the expert's (arXiv 2510.25992, section 3).

`paper`: difflib's ratio of the two texts, -1 if the step is malformed. It rewards wording: the
wrong appliance, which loses the game, scores 0.94. `ours`: 1 if the action is the expert's, less if
it is another that brings the task forward, else the share of right slots; 0 if not admissible.
"""

from __future__ import annotations

from difflib import SequenceMatcher

PAPER_MALFORMED = -1.0


def difflib_reward(action: str | None, expert: str, *, autojunk: bool = True) -> float:
    """2M/T of student against expert text, in that order; -1 if malformed (None).

    `autojunk` is difflib's default, as far as the paper says; it makes a cliff at 200 characters.
    """
    if action is None:
        return PAPER_MALFORMED
    return SequenceMatcher(None, action, expert, autojunk=autojunk).ratio()


PROGRESSED = 0.3
"""Below a try at the expert's own action, even one that fails half the time (1 and a third of the
slots): what follows another action is off the expert's path, where no SRL instance ever leads. At 1
every student, and at 0.7 two of four, came to prepare one food before they had fetched the other,
and lost every hard game."""
MOST_WRONG = 0.5


def slot_reward(*, legal: bool, progressed: bool, slots: float) -> float:
    """1 for the expert's action, 0 for an inadmissible one.

    Else the share of its slots that are right, at most 0.5, and at least 0.3 if it brings the task
    forward. `slots` is `Domain.same_action`: 1 means that it is the expert's own action.
    """
    if not legal:
        return 0.0
    if slots >= 1.0:
        return 1.0
    return max(min(slots, MOST_WRONG), PROGRESSED if progressed else 0.0)
