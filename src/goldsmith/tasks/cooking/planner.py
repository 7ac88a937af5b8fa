"""Role B for cooking: plans from the transcript alone, never from the engine.

It reads the recipe in the prompt, follows what it saw, and takes the meaning of a preparation word
from a passage, which it cites. A word that no passage explains is guessed, without a citation: the
guess is a fixed function of the word, and C rejects it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from goldsmith.tasks.cooking.commands import PREPARING, Slots, parse_command
from goldsmith.tasks.cooking.meanings import WAYS, Meaning, quote, read_meaning
from goldsmith.tasks.cooking.recipes import RecipeStep, read_recipe
from goldsmith.tasks.transcript import Step, Transcript

_IS_AT = re.compile(r"([^.]+) (in|on) (\w+)\.")
_OPENED = re.compile(r"you opened the (\w+)\.")
_TOOK = re.compile(r"you took the (.+) from the (\w+)\.")
_CLOSED = re.compile(r"the (\w+) is closed\.")
_CARRY = re.compile(r"you carry ([^.]+)\.")


@dataclass
class Knowledge:
    """What a player has learnt so far."""

    places: dict[str, str] = field(default_factory=dict)
    """Thing as it was named to the place where it was last seen; `you` if carried."""
    sights: dict[str, str] = field(default_factory=dict)
    """Thing to the sentence that said where it is."""
    closed: list[str] = field(default_factory=list)
    done: list[Slots] = field(default_factory=list)
    """Cooking and cutting that worked."""
    meal_ready: bool = False

    def see(self, action: str, text: str) -> None:
        """Take in one observation and the command that led to it."""
        for thing, at, place in _IS_AT.findall(text):
            self.places[thing.strip()] = place
            self.sights[thing.strip()] = f"{thing.strip()} {at} {place}."
        for things in _CARRY.findall(text):
            self.places |= dict.fromkeys(things.split(", "), "you")
        for place in _CLOSED.findall(text):
            self.closed.append(place)
        for place in _OPENED.findall(text):
            self.closed = [other for other in self.closed if other != place]
        slots = parse_command(action)
        if _TOOK.match(text) and slots:
            self.places[self.named(slots.thing) or slots.thing] = "you"
        if slots and slots.verb in PREPARING and text.startswith(f"the {slots.thing} is "):
            self.done.append(slots)
        self.meal_ready = self.meal_ready or text.startswith("the meal is ready.")

    def named(self, thing: str) -> str | None:
        """The name under which a thing was seen, its preparation in front of it."""
        return next(
            (seen for seen in self.places if seen == thing or seen.endswith(f" {thing}")), None
        )

    def where(self, thing: str) -> str | None:
        """Where a thing was last seen; None if it never was."""
        seen = self.named(thing)
        return None if seen is None else self.places[seen]


@dataclass(frozen=True)
class _Plan:
    """What B takes a word to mean, and why."""

    meaning: Meaning
    passage_id: str | None
    quote: str = ""
    """The cited passage from the word on: a student can copy it before it acts on it."""

    def said(self) -> str:
        word, verb, tool = self.meaning
        return self.quote or f"i do not know {word}. i guess {verb} with {tool}."


class CookingPlanner:
    """Fetch what the recipe needs, do its steps in order, prepare and eat the meal."""

    def next_step(self, transcript: Transcript) -> Step:
        """The next command with its reasoning; ValueError if the prompt holds no recipe."""
        recipe = read_recipe(transcript.prompt)
        known = Knowledge()
        known.see("", transcript.first_observation)
        for turn in transcript.turns:
            known.see(turn.step.action, turn.observation)
        if known.meal_ready:
            return Step("the meal is ready.", "eat meal")
        for food in recipe.foods:
            if known.where(food) != "you":
                return _fetch(food, known)
        so_far = ""
        for step in recipe.steps:
            plan = _explain(step.word, transcript.passages)
            if not _is_done(step, plan, known):
                return _prepare(step, plan, known, so_far)
            so_far = f"done: {step.word} the {step.food}. "
        return Step(f"{so_far}prepare and eat the meal.", "prepare meal")


def _fetch(thing: str, known: Knowledge, why: str = "") -> Step:
    """Take a thing from where it was seen, else look for it."""
    need = f"{why}i need {thing}."
    if seen := known.named(thing):
        return Step(f"{need} {known.sights[seen]}", f"take {thing} from {known.places[seen]}")
    if known.closed:
        return Step(f"{need} i do not see it.", f"open {known.closed[0]}")
    return Step(f"{need} i can not find it.", "look")


def _prepare(step: RecipeStep, plan: _Plan, known: Knowledge, so_far: str) -> Step:
    """Do one step of the recipe; `so_far` says which one was done last."""
    _, verb, tool = plan.meaning
    reasoning = f"{so_far}next is {step.word} the {step.food}. {plan.said()}"
    if tool == "knife" and known.where("knife") != "you":
        return _fetch("knife", known, f"{reasoning} ")
    citations = () if plan.passage_id is None else (plan.passage_id,)
    return Step(reasoning, f"{verb} {step.food} with {tool}", citations)


def _is_done(step: RecipeStep, plan: _Plan, known: Knowledge) -> bool:
    return any(slots.verb == plan.meaning.verb and slots.thing == step.food for slots in known.done)


def _explain(word: str, passages: tuple[tuple[str, str], ...]) -> _Plan:
    for passage_id, text in passages:
        meaning = read_meaning(text)
        if meaning is not None and meaning.word == word:
            return _Plan(meaning, passage_id, quote(text, word))
    guess = WAYS[hashlib.sha256(word.encode()).digest()[0] % len(WAYS)]
    return _Plan(Meaning(word, *guess), None)
