"""Playing a cooking task: strict, compact, deterministic, and no cheaper way to a meal."""

import random

import pytest

from goldsmith.tasks.cooking import environment
from goldsmith.tasks.cooking.domain import CookingDomain
from goldsmith.tasks.cooking.environment import ILLEGAL, Playground
from goldsmith.tasks.cooking.recipes import read_recipe

DOMAIN = CookingDomain()
TASK = DOMAIN.tasks("hard", "train", 1)[0]


def play(actions, task=TASK):
    player = DOMAIN.environment(task)
    return [player.reset(), *(player.step(action) for action in actions)]


def test_gold_play_is_legal_ends_solved_and_always_makes_progress():
    seen = play(DOMAIN.gold_actions(TASK))
    assert all(observation.legal for observation in seen)
    assert [observation.solved for observation in seen[-2:]] == [False, True]
    progress = [observation.progress for observation in seen]
    assert progress == sorted(set(progress))
    assert (progress[0], progress[-1]) == (0.0, 1.0)


def test_an_inadmissible_command_changes_nothing():
    player = DOMAIN.environment(TASK)
    first, state = player.reset(), player.state_hash()
    seen = player.step("eat meal")
    assert (seen.text, seen.legal, seen.done) == (ILLEGAL, False, False)
    assert player.state_hash() == state
    assert player.step("open fridge").legal
    assert player.reset() == first


def test_every_legal_action_works_and_texts_are_lower_case():
    player = DOMAIN.environment(TASK)
    for action in (player.reset(), *player.legal_actions())[1:]:
        player.reset()
        seen = player.step(action)
        assert seen.legal
        assert seen.text == seen.text.lower()
        assert action == action.lower()


def test_a_meal_with_an_undone_step_loses_the_game():
    gold = DOMAIN.gold_actions(TASK)
    undone = max(i for i, action in enumerate(gold) if action.startswith(("slice", "dice", "chop")))
    seen = play(gold[:undone] + gold[undone + 1 : -1])
    assert seen[-1].text == "the meal is not right. you lost."
    assert (seen[-1].done, seen[-1].solved, seen[-1].progress) == (True, False, 0.0)


def test_no_meal_is_made_from_the_first_ingredient_alone():
    foods = read_recipe(TASK.prompt).foods
    gold = [a for a in DOMAIN.gold_actions(TASK) if foods[1] not in a or foods[1] in foods[0]]
    assert not play(gold)[-2].legal


def test_the_wrong_tool_loses_the_game():
    gold = DOMAIN.gold_actions(TASK)
    at = next(i for i, action in enumerate(gold) if action.startswith("cook"))
    food, tool = gold[at].removeprefix("cook ").split(" with ")
    wrong = next(other for other in ("oven", "stove", "bbq") if other != tool)
    seen = play([*gold[:at], f"cook {food} with {wrong}"])[-1]
    assert seen.text.endswith("you lost.")
    assert (seen.done, seen.solved) == (True, False)


def test_nothing_is_admissible_when_the_game_is_over():
    player = DOMAIN.environment(TASK)
    seen = [player.step(action) for action in (*DOMAIN.gold_actions(TASK), "look")]
    assert not player.legal_actions()
    assert (seen[-1].legal, seen[-1].solved) == (False, True)


def wander(seed, steps=25):
    rng, player, seen = random.Random(seed), DOMAIN.environment(TASK), []
    seen.append((player.reset(), player.state_hash()))
    while player.legal_actions() and len(seen) < steps:
        seen.append((player.step(rng.choice(player.legal_actions())), player.state_hash()))
    return seen


@pytest.mark.parametrize("kept", [1, 3])
def test_states_that_were_dropped_are_replayed(monkeypatch, kept):
    expected = [wander(seed) for seed in range(3)]
    environment.playground.cache_clear()
    Playground._live.clear()
    monkeypatch.setattr(environment, "LIVE_STATES", kept)
    assert [wander(seed) for seed in range(3)] == expected
    assert len(Playground._live) <= kept


def test_players_of_one_task_do_not_disturb_each_other():
    one, other = DOMAIN.environment(TASK), DOMAIN.environment(TASK)
    one.reset(), other.reset()
    one.step("open fridge")
    assert "open fridge" in other.legal_actions()
    assert "open fridge" not in one.legal_actions()
