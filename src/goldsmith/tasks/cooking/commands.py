"""The slots of a command (verb, object, tool or place) and the slot reward over them."""

from __future__ import annotations

import re
from typing import NamedTuple

PREPARING = ("cook", "slice", "dice", "chop")
WRONG_SLOT_CAP = 0.5

_FORMS = [
    re.compile(r"(?P<verb>cook|slice|dice|chop) (?P<thing>.+) with (?P<place>.+)"),
    re.compile(r"(?P<verb>take) (?P<thing>.+?)(?: from (?P<place>.+))?"),
    re.compile(r"(?P<verb>put) (?P<thing>.+) on (?P<place>.+)"),
    re.compile(r"(?P<verb>insert) (?P<thing>.+) into (?P<place>.+)"),
    re.compile(r"(?P<verb>open|close|drop|eat|drink|examine) (?P<thing>.+)"),
    re.compile(r"(?P<verb>prepare) (?P<thing>meal)"),
    re.compile(r"(?P<verb>look|inventory)"),
]


class Slots(NamedTuple):
    """A command taken apart; a slot that the command has not is empty."""

    verb: str
    thing: str = ""
    place: str = ""


def parse_command(command: str) -> Slots | None:
    """The slots of a command, or None if it has no known form."""
    for form in _FORMS:
        if found := form.fullmatch(command):
            return Slots(**{name: value or "" for name, value in found.groupdict().items()})
    return None


def slot_reward(action: str, expert: str) -> float:
    """1 for the expert's command, 0 if unparsable; else the share of right slots, capped at 0.5.

     The cap is what difflib lacks: there a wrong appliance, which loses the game, scores 0.94
    .
    """
    if action == expert:
        return 1.0
    said, meant = parse_command(action), parse_command(expert)
    if said is None or meant is None:
        return 0.0
    right = sum(bool(a) and a == b for a, b in zip(said, meant, strict=False))
    slots = max(sum(map(bool, said)), sum(map(bool, meant)))
    return WRONG_SLOT_CAP * right / slots
