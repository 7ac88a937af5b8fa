"""Role C for cooking: strict replay, a proof, and a reason that is a query, never the answer."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith.tasks.cooking.commands import PREPARING, parse_command
from goldsmith.tasks.cooking.environment import CookingEnvironment
from goldsmith.tasks.cooking.meanings import Meaning, read_meaning
from goldsmith.tasks.cooking.recipes import Recipe, read_recipe
from goldsmith.tasks.domain import Outcome, Passage, Task
from goldsmith.tasks.transcript import Step


def verify(task: Task, steps: Sequence[Step], passages: Sequence[Passage]) -> Outcome:
    """Solved, every command admissible, every cooking or cutting step justified by a citation.

    Words that the reason puts in quotes are what A should search for.
    """
    environment = CookingEnvironment(task)
    recipe = read_recipe(task.prompt)
    seen = environment.reset()
    proof = [environment.state_hash()]

    def failed(index: int, why: str) -> Outcome:
        reason = f"step {index + 1}: {why}{_query(recipe, passages)}"
        return Outcome(False, seen.progress, reason, index, tuple(proof))

    for index, step in enumerate(steps):
        if not _justified(step, recipe, passages):
            return failed(index, "no cited passage entails the command")
        seen = environment.step(step.action)
        if not seen.legal:
            return failed(index, f"not admissible: {step.action}")
        if seen.done and not seen.solved:
            return failed(index, "the game was lost")
        proof.append(environment.state_hash())
    if not seen.solved:
        return failed(len(steps), "the meal was not eaten")
    return Outcome(True, 1.0, proof=tuple(proof))


def _justified(step: Step, recipe: Recipe, passages: Sequence[Passage]) -> bool:
    """Whether a cited passage entails a cooking or cutting step; other steps need none."""
    slots = parse_command(step.action)
    if slots is None or slots.verb not in PREPARING:
        return True
    words = {s.word for s in recipe.steps if s.food == slots.thing}
    entailing = {Meaning(word, slots.verb, slots.place) for word in words}
    cited = [passage for passage in passages if passage.passage_id in step.citations]
    return any(read_meaning(passage.text) in entailing for passage in cited)


def _query(recipe: Recipe, passages: Sequence[Passage]) -> str:
    """What to look up: words of the recipe that none of A's passages explains."""
    explained = {meaning.word for p in passages if (meaning := read_meaning(p.text))}
    missing = ", ".join(f"'{word}'" for word in recipe.words if word not in explained)
    return f"; no passage says what it means for food when a recipe says {missing}" * bool(missing)
