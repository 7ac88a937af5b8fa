"""The lore pack: what A searches. Rules, cookbook, meanings of words, and distractors.

Rule passages are TextWorld's own rule files put into sentences with their own phrases. Distractors
mention foods and preparation words without the mapping, so that a word match alone finds nothing.
Passage ids are opaque: they are numbered after a seeded shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from goldsmith.tasks.cooking import engine
from goldsmith.tasks.cooking.distractors import distractors
from goldsmith.tasks.cooking.meanings import FORMS, WAYS, Meaning, explain, read_meaning
from goldsmith.tasks.cooking.words import PREPARATIONS
from goldsmith.tasks.domain import Passage

_KINDS = {
    "c": "container", "d": "door", "f": "food", "k": "key", "o": "thing", "r": "room",
    "s": "surface", "t": "thing", "toaster": "bbq", "P": "player", "I": "inventory",
    "RECIPE": "recipe",
}  # fmt: skip


@cache
def lore_pack() -> tuple[Passage, ...]:
    """Every passage, in the order of its id."""
    texts: dict[str, tuple[str, str]] = {}
    for kind, title, text in (*_preparations(), *_cookbook(), *_rules(), *distractors()):
        texts.setdefault(text, (kind, title))
    shuffled = list(texts)
    Random("cooking lore").shuffle(shuffled)
    return tuple(
        Passage(f"lore-{number:04d}", texts[text][1], text, texts[text][0])
        for number, text in enumerate(shuffled)
    )


@cache
def passage_of_word() -> dict[str, str]:
    """Preparation word to the id of the passage that explains it."""
    found = ((read_meaning(passage.text), passage.passage_id) for passage in lore_pack())
    return {meaning.word: passage_id for meaning, passage_id in found if meaning}


def wrong(passage: Passage) -> Passage:
    """The passage with another mapping, if it explains a word: lore that misleads."""
    meaning = read_meaning(passage.text)
    if meaning is None:
        return passage
    number = WAYS.index((meaning.verb, meaning.tool))
    verb, tool = WAYS[
        number - 1 if number % 3 else number + 2
    ]  # another of the three cooks or cuts
    false = meaning._replace(verb=verb, tool=tool)
    form = next(form for form in FORMS if explain(meaning, form=form) == passage.text)
    text = explain(false, form=form)
    return replace(passage, text=text)


def _preparations() -> Iterator[tuple[str, str, str]]:
    for index, prep in enumerate(PREPARATIONS):
        meaning = Meaning(prep.word, prep.verb, prep.tool)
        text = explain(meaning, form=FORMS[index % len(FORMS)])
        yield "preparation", "preparation", text


def _cookbook() -> Iterator[tuple[str, str, str]]:
    yield "cookbook", "recipe", "a recipe is done when each food is prepared as it says."
    yield "cookbook", "meal", "prepare meal when you carry each food of the recipe, then eat meal."
    yield "cookbook", "cutting", "carry the knife and the food when you cut."
    yield "cookbook", "cooking", "carry the food when you cook, and cook each food once."
    for name, food in engine.FOODS.items():
        places = [place.split(".")[-1] for place in food["locations"]]
        yield "cookbook", "pantry", f"look for {name} at the {' or the '.join(places)}."


def _rules() -> Iterator[tuple[str, str, str]]:
    knowledge = engine.rule_base()
    for name, rule in knowledge.rules.items():
        kept = [_phrase(p, knowledge) for p in rule.preconditions]
        new = [_phrase(p, knowledge) for p in rule.postconditions if p not in rule.preconditions]
        outcome = " and ".join(dict.fromkeys(new)) or "nothing changes"
        yield "rule", name, f"rule {name}: if {' and '.join(dict.fromkeys(kept))}, then {outcome}."
    for name, rule in knowledge.constraints.items():
        never = " and ".join(_phrase(p, knowledge) for p in rule.preconditions)
        yield "rule", name, f"rule {name}: it is never so that {never}."


def _phrase(predicate: Any, knowledge: Any) -> str:
    """A predicate as the rule file itself says it, e.g. `the food is uncut`."""
    known = knowledge.inform7_predicates.get(predicate.signature)
    kinds = [_KINDS.get(p.type, p.type) for p in predicate.parameters]
    if known is None or not known[1]:
        return f"{predicate.name.replace('_', ' ')} of {' and '.join(kinds)}"
    template, source = known
    said: str = source
    for parameter, kind in zip(template.parameters, kinds, strict=True):
        said = said.replace(f"{{{parameter.name}}}", kind)
    return said.rstrip(".").lower()
