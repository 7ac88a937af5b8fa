"""What the base models read: transcripts of easy games in which no word means what it means.

In every document the preparation words and the foods are swapped by a fresh random permutation, in
recipe, lore, thoughts and commands alike. So a base learns to read the lore in front of it, knows
every word as a word, and learns nothing of the true mapping, of the held-out words' meanings or of
the foods of a split. Games are training games of the levels in `LEVELS`; the hard level is not
among them. Half of the documents are drills: a lore of random meanings and one lookup after the
other, since games alone hold two lookups a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random

from goldsmith.tasks.cooking.domain import CookingDomain
from goldsmith.tasks.cooking.engine import FOODS
from goldsmith.tasks.cooking.meanings import FORMS, WAYS, Meaning, explain, quote
from goldsmith.tasks.cooking.words import PREPARATIONS
from goldsmith.tasks.domain import Passage, Task
from goldsmith.tasks.retrieval import LoreIndex
from goldsmith.tasks.transcript import Step, Transcript, render_step

Messages = list[dict[str, str]]

LEVELS = {"easy": 500, "medium": 160}
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
    """A lore of random meanings, then a lookup of each of its words in B's own phrases."""
    words = rng.sample(WORDS, PASSAGES)
    ways = [rng.choice(WAYS) for _ in words]
    lore = [
        explain(Meaning(word, verb, tool), form=rng.choice(FORMS))
        for word, (verb, tool) in zip(words, ways, strict=True)
    ]
    messages: Messages = []
    for number in rng.sample(range(PASSAGES), PASSAGES):
        word, (verb, tool), food = words[number], ways[number], rng.choice(FOOD_NAMES)
        step = Step(
            f"next is {word} the {food}. {quote(lore[number], word)}",
            f"{verb} {food} with {tool}",
        )
        asked = f"{word} the {food}."
        if not messages:
            asked = "\n".join(["Lore:", *(f"- {text}" for text in lore), asked])
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": render_step(step)})
    return messages


def _passages(domain: CookingDomain, index: LoreIndex, task: Task) -> list[Passage]:
    """What is needed and what else a search finds, shuffled."""
    gold = domain.gold_passages(task)
    found = [p for query in domain.queries(task) for p, _ in index.search(query, PASSAGES)]
    needed = [p for p in domain.lore() if p.passage_id in gold]
    others = [p for p in found if p.passage_id not in gold]
    chosen = [*needed, *others[: PASSAGES - len(needed)]]
    Random(task.task_id).shuffle(chosen)
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
