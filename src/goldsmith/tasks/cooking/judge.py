"""Role C for cooking: strict replay, a proof, and a reason that is a query, never the answer."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith.tasks.cooking.commands import PREPARING, parse_command
from goldsmith.tasks.cooking.environment import CookingEnvironment
from goldsmith.tasks.cooking.meanings import Meaning, read_meaning
from goldsmith.tasks.cooking.recipes import Recipe, read_recipe
from goldsmith.tasks.domain import Observation, Outcome, Passage, Task
from goldsmith.tasks.transcript import Step


def verify(task: Task, steps: Sequence[Step], passages: Sequence[Passage]) -> Outcome:
    """Solved, every command admissible, every cooking or cutting step justified by a citation.

    Words that the reason puts in quotes are what A should search for.
    """
    environment = CookingEnvironment(task)
    recipe = read_recipe(task.prompt)
    seen = environment.reset()
    proof = [environment.state_hash()]
    for index, step in enumerate(steps):
        why = _unjustified(step, recipe, passages)
        if not why:
            seen = environment.step(step.action)
            why = _failed(step, seen, recipe)
        if why:
            return Outcome(False, seen.progress, f"step {index + 1}: {why}", index, tuple(proof))
        proof.append(environment.state_hash())
    if not seen.solved:
        return Outcome(False, seen.progress, "the meal was not eaten", len(steps), tuple(proof))
    return Outcome(True, 1.0, proof=tuple(proof))


def _unjustified(step: Step, recipe: Recipe, passages: Sequence[Passage]) -> str:
    """Why no citation entails a cooking or cutting step; empty if one does or none is needed."""
    slots = parse_command(step.action)
    if slots is None or slots.verb not in PREPARING:
        return ""
    words = {s.word for s in recipe.steps if s.food == slots.thing}
    wanted = {Meaning(word, slots.verb, slots.place) for word in words}
    cited = [p for p in passages if p.passage_id in step.citations]
    if any(read_meaning(passage.text) in wanted for passage in cited):
        return ""
    explained = {meaning.word for p in passages if (meaning := read_meaning(p.text))}
    missing = [word for word in recipe.words if word not in explained]
    if missing:
        quoted = ", ".join(f"'{word}'" for word in missing)
        return f"no cited passage explains what {quoted} means in a recipe"
    return f"no cited passage entails: {step.action}"


def _failed(step: Step, seen: Observation, recipe: Recipe) -> str:
    if not seen.legal:
        return f"not admissible: {step.action}"
    if seen.done and not seen.solved:
        food = next((food for food in recipe.foods if food in step.action), "")
        words = ", ".join(f"'{s.word}'" for s in recipe.steps if s.food == food)
        asked = f"; what does {words} mean in a recipe?" if words else ""
        return f"the game was lost{asked}"
    return ""
