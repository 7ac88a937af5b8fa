"""How the lore says what a preparation word means, and how a reader takes it from a sentence.

The sentence forms are shared by the lore, by B, which reads them, and by C, which checks that a
cited passage entails a command. The mapping itself is not here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from goldsmith.tasks.cooking.words import COOK_TOOLS, CUT_VERBS

FORMS = (
    "to {word}, {said} the food with the {tool}.",
    "{word}: {said} the food with the {tool}.",
    "if a recipe says {word}, {said} it with the {tool}.",
)
SAID = {"oven": "roast", "stove": "fry", "bbq": "grill"}
"""What a sentence says for `cook` with a tool; a cut is said as the command says it."""
WAYS = tuple(
    [("cook", tool) for tool in COOK_TOOLS.values()]
    + [(verb, "knife") for verb in CUT_VERBS.values()]
)
"""All (verb, tool) pairs that a word could mean: the rules of the game, known to every player."""

_READERS = [
    re.compile(re.escape(form).replace(r"\{", "(?P<").replace(r"\}", r">\w+)")) for form in FORMS
]


class Meaning(NamedTuple):
    """A preparation word and the command that it stands for."""

    word: str
    verb: str
    tool: str


def explain(meaning: Meaning, *, form: str) -> str:
    """A sentence of the lore that says what a word means."""
    word, verb, tool = meaning
    return form.format(word=word, said=SAID.get(tool, verb), tool=tool)


def read_meaning(text: str) -> Meaning | None:
    """What a passage says about a preparation word; None if it explains none."""
    for reader in _READERS:
        if found := reader.fullmatch(text):
            for verb, tool in WAYS:
                if (found["said"], found["tool"]) == (SAID.get(tool, verb), tool):
                    return Meaning(found["word"], verb, tool)
    return None


def quote(text: str, word: str) -> str:
    """A passage from its word on, e.g. `ombrate, dice the food with the knife.`"""
    return text[text.index(word) :]
