"""The recipe in a task's prompt: how it is chosen, written and read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from goldsmith.tasks.cooking.words import COOK_TOOLS, CUT_VERBS, words_for

_PROMPT = re.compile(r"make the meal\.\nrecipe: (?P<foods>[^.\n]+)\.\nsteps: (?P<steps>[^\n]+)")
_STEP = re.compile(r"(\w+) the ([^.]+)\.")
_ENDING = "prepare and eat the meal."


@dataclass(frozen=True)
class RecipeStep:
    """One invented word applied to one ingredient."""

    word: str
    food: str


@dataclass(frozen=True)
class Recipe:
    """Ingredients and steps, in the order of the text."""

    foods: tuple[str, ...]
    steps: tuple[RecipeStep, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The invented words, each once, in the order of the text."""
        return tuple(dict.fromkeys(step.word for step in self.steps))

    def steps_text(self) -> str:
        """The steps as sentences."""
        return " ".join(f"{step.word} the {step.food}." for step in self.steps)

    def prompt(self) -> str:
        """What the player is told; no name begins a line, where its tokens would be others."""
        foods = ", ".join(self.foods)
        return f"make the meal.\nrecipe: {foods}.\nsteps: {self.steps_text()} {_ENDING}"


def write_recipe(
    ingredients: Sequence[tuple[str, str, str]], *, cook: bool, cut: bool, unseen: bool, rng: Random
) -> Recipe:
    """A recipe for the engine's (food, cooking, cutting) with words drawn by `rng`.

    Whether an ingredient is first cooked or first cut is drawn too, so that the place of a word
    says nothing about its meaning.
    """
    steps: list[RecipeStep] = []
    for food, cooking, cutting in ingredients:
        states = [cooking] * (cook and cooking in COOK_TOOLS) + [cutting] * (
            cut and cutting in CUT_VERBS
        )
        rng.shuffle(states)
        steps += [
            RecipeStep(rng.choice(words_for(state, held_out=unseen)), food) for state in states
        ]
    return Recipe(tuple(food for food, _, _ in ingredients), tuple(steps))


def read_recipe(prompt: str) -> Recipe:
    """The recipe in a prompt; ValueError if there is none."""
    found = _PROMPT.fullmatch(prompt)
    if found is None:
        raise ValueError("the prompt holds no recipe")
    steps = _STEP.findall(found["steps"].removesuffix(_ENDING))
    return Recipe(
        foods=tuple(found["foods"].split(", ")),
        steps=tuple(RecipeStep(word, food) for word, food in steps),
    )
