"""Passages that explain nothing: gossip about preparation words, food facts, other themes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

from goldsmith.tasks.cooking import engine
from goldsmith.tasks.cooking.words import PREPARATIONS

_GOSSIP = (
    "my aunt would {word} each {day}.",
    "nobody in {town} likes to {word} any more.",
    "they {word} the {food} at the feast of {town}.",
    "few people {word} a {food} as well as the cook of {town}.",
    "the old song says {word} the {food} and be merry.",
    "an apprentice in {town} learns to {word} in the third year.",
)
_FOOD = (
    "the {food} of {town} is praised by travellers.",
    "a {food} was paid as rent in {town}.",
    "a painter from {town} drew one {food} every {day}.",
    "the price of {food} falls on {day}.",
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TOWNS = (
    "arlen", "bosk", "corvale", "dunmere", "eastry", "fallow", "greyport", "holm",
    "istad", "jorvin", "kellet", "lowmoor",
)  # fmt: skip
_WHO = (
    "the miller", "a sailor", "the queen", "a watchman", "the gardener", "a clerk",
    "the fisherman", "a pilgrim", "the baker", "a weaver", "the judge", "a drummer",
)  # fmt: skip
_DID = (
    "keeps a lantern by the {thing}", "sold a map of the {thing}", "once slept under the {thing}",
    "painted the {thing} green", "wrote a letter about the {thing}", "lost a glove at the {thing}",
    "swept the {thing} before dawn", "told a story of the {thing}",
)  # fmt: skip
_THINGS = (
    "harbour", "tower", "bridge", "oven door", "stove pipe", "knife shop", "counter top",
    "fridge", "orchard", "library", "windmill", "garden wall",
)  # fmt: skip
_OTHER = 260


def distractors() -> Iterator[tuple[str, str, str]]:
    """(kind, title, text) of every distractor; the same at every call."""
    rng = Random("cooking distractors")
    foods = sorted(engine.FOODS)

    def fill(form: str, **given: str) -> str:
        return form.format(
            **{"food": rng.choice(foods), "day": rng.choice(_DAYS), "town": rng.choice(_TOWNS)}
            | given
        )

    for prep in PREPARATIONS:
        for form in rng.sample(_GOSSIP, 3):
            yield "distractor", "gossip", fill(form, word=prep.word)
    for food in foods:
        for form in _FOOD:
            yield "distractor", "chronicle", fill(form, food=food)
    sentences = [
        f"{who} {did.format(thing=thing)}." for who, did, thing in product(_WHO, _DID, _THINGS)
    ]
    for sentence in rng.sample(sentences, _OTHER):
        yield "distractor", "chronicle", sentence
