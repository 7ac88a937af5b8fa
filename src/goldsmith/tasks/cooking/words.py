"""The invented preparation words: what a recipe says instead of fry, roast, grill, slice, dice.

The mapping from word to command exists in two places only: here, which writes recipes and lore, and
in the lore itself, which is all that A, B and a student can see. Of ten words for each engine verb,
seven are used in training tasks; three are held out for validation and test.
"""

from __future__ import annotations

from dataclasses import dataclass

COOK_TOOLS = {"fried": "stove", "roasted": "oven", "grilled": "bbq"}
"""Engine state of a cooked food to the appliance that brings it about."""
CUT_VERBS = {"sliced": "slice", "diced": "dice", "chopped": "chop"}
"""Engine state of a cut food to the command that brings it about."""

TRAINED_PER_STATE = 7

_WORDS = {
    "roasted": "glaisten brovel tandrim ospeck quillar mirvane folgate hesperd wunder jarloft",
    "fried": "skarvel pindle zorrate embrisk talgory lunfer crasken dovish apterne villock",
    "grilled": "harrowen bistrel noxify cadrile thessop grunvel yarmint felcute urbish solvane",
    "sliced": "plimber estroy wexler jandle morquin raftelo sibbern okravel dunsow vintrel",
    "diced": "ombrate krindle faxory tulmer belquist nargle hivvery pastrel zundoo clervin",
    "chopped": "tarquil gomber silvex ruddock fenwarl abstrel quondle mizzern hobrick jestrow",
}


@dataclass(frozen=True)
class Preparation:
    """One invented word and what it means to the engine."""

    word: str
    state: str
    """The engine's state that it brings about, e.g. `roasted`."""
    verb: str
    """First word of the command: cook, slice, dice or chop."""
    tool: str
    """Last word of the command: oven, stove, bbq or knife."""
    held_out: bool
    """Never in a training recipe."""


def _preparations() -> list[Preparation]:
    return [
        Preparation(
            word=word,
            state=state,
            verb="cook" if state in COOK_TOOLS else CUT_VERBS[state],
            tool=COOK_TOOLS.get(state, "knife"),
            held_out=index >= TRAINED_PER_STATE,
        )
        for state, words in _WORDS.items()
        for index, word in enumerate(words.split())
    ]


PREPARATIONS = tuple(_preparations())


def words_for(state: str, *, held_out: bool) -> list[str]:
    """The words that bring about one engine state, seen in training or held out."""
    return [p.word for p in PREPARATIONS if p.state == state and p.held_out == held_out]
