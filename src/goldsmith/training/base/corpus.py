"""What the base models read: transcripts of easy games in which no word means what it means.

In every document the preparation words and the foods are swapped by a fresh random permutation, in
recipe, lore, thoughts and commands alike. So a base learns to read the lore in front of it, knows
every word as a word, and learns nothing of the true mapping, of the held-out words' meanings or of
the foods of a split. Games are training games of the levels in `LEVELS`, few of them hard. Half of
the documents are drills: a lore of random meanings and one lookup after the other, since games
alone hold a few lookups a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from random import Random

from goldsmith.tasks.cooking.domain import CookingDomain
from goldsmith.tasks.cooking.engine import FOODS
from goldsmith.tasks.cooking.meanings import FORMS, WAYS, Meaning, explain, quote, read_meaning
from goldsmith.tasks.cooking.recipes import read_recipe
from goldsmith.tasks.cooking.words import PREPARATIONS
from goldsmith.tasks.domain import Passage, Task
from goldsmith.tasks.retrieval import LoreIndex
from goldsmith.tasks.transcript import Step, Transcript, render_step

Messages = list[dict[str, str]]

LEVELS = {"easy": 360, "medium": 240, "hard": 100}
"""Games per level."""
SEED = 1_000_003
"""Of the task lists: far from the seeds of runs, so that a run's training games are new."""
PASSAGES = 8
MAX_TURNS = 30
WORDS = [p.word for p in PREPARATIONS]
FOOD_NAMES = [name.lower() for name in FOODS]


def transcripts() -> list[Transcript]:
    """One expert transcript a game, with the passages that a search for its recipe finds."""
    domain = CookingDomain()
    index = LoreIndex(domain.lore())
    return [
        _played(domain, task, _passages(domain, index, task))
        for level, count in LEVELS.items()
        for task in domain.tasks(level, "train", count, seed=SEED)
    ]


def documents(games: Sequence[Transcript], rng: Random) -> Iterator[Messages]:
    """Endless documents: games in random order, each with its own swap, and as many drills."""
    while True:
        for game in rng.sample(list(games), len(games)):
            swap_words, swap_foods = _swap(WORDS, rng), _swap(FOOD_NAMES, rng)
            yield [
                {**message, "content": swap_foods(swap_words(message["content"]))}
                for message in game.messages()
            ]
            yield _drill(rng)


def _drill(rng: Random) -> Messages:
    """A lore of random meanings and other passages, then a lookup of each word in B's words."""
    words = rng.sample(WORDS, rng.randint(3, PASSAGES))
    ways = {word: rng.choice(WAYS) for word in words}
    told = {word: explain(Meaning(word, *ways[word]), form=rng.choice(FORMS)) for word in words}
    others = [_other(words, rng) for _ in range(PASSAGES - len(words))]
    lore = rng.sample([*told.values(), *others], PASSAGES)
    messages: Messages = []
    for word in rng.sample(words, len(words)):
        (verb, tool), food = ways[word], rng.choice(FOOD_NAMES)
        step = Step(
            f"next is {word} the {food}. {quote(told[word], word)}",
            f"{verb} {food} with {tool}",
        )
        asked = f"steps: {word} the {food}."
        if not messages:
            asked = "\n".join(["Lore:", *(f"- {text}" for text in lore), asked])
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": render_step(step)})
    return messages


def _other(words: Sequence[str], rng: Random) -> str:
    """A passage that explains none of the words: gossip about one, or anything in the pack."""
    word = rng.choice([*words, ""])
    return rng.choice([text for text in _silent() if word in text.split()] or _silent())


@cache
def _silent() -> list[str]:
    """The texts of the pack that explain no word."""
    return [p.text for p in CookingDomain().lore() if read_meaning(p.text) is None]


def _passages(domain: CookingDomain, index: LoreIndex, task: Task) -> list[Passage]:
    """What is needed and what a good, a poor or a blind search finds besides, shuffled.

    A base that only ever read one kind of company for the needed passages was lost in another.
    """
    rng = Random(task.task_id)
    gold = domain.gold_passages(task)
    words = ", ".join(read_recipe(task.prompt).words)
    query = rng.choice([*domain.queries(task), f"what does it mean in a recipe to {words}", ""])
    found = [p for p, _ in index.search(query, PASSAGES)] or rng.sample(domain.lore(), PASSAGES)
    needed = [p for p in domain.lore() if p.passage_id in gold]
    others = [p for p in found if p.passage_id not in gold]
    chosen = [*needed, *others[: PASSAGES - len(needed)]]
    rng.shuffle(chosen)
    return chosen


def _played(domain: CookingDomain, task: Task, passages: Sequence[Passage]) -> Transcript:
    environment, planner = domain.environment(task), domain.planner()
    seen = environment.reset()
    shown = tuple((p.passage_id, p.text) for p in passages)
    transcript = Transcript(task.prompt, shown, seen.text)
    while not seen.done and len(transcript.turns) < MAX_TURNS:
        step = planner.next_step(transcript)
        seen = environment.step(step.action)
        transcript = transcript.append(step, seen.text)
    return transcript


def _swap(names: Sequence[str], rng: Random) -> Callable[[str], str]:
    """A random permutation of names, applied to whole words, longest names first."""
    targets = dict(zip(names, rng.sample(list(names), len(names)), strict=True))
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, longest_first)) + r")\b")
    return lambda text: pattern.sub(lambda match: targets[match[1]], text)
