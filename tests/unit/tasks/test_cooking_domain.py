"""Cooking tasks: sound gold, disjoint splits, held-out words, the same at every call."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from goldsmith.errors import ConfigError, DomainError
from goldsmith.tasks.cooking import engine
from goldsmith.tasks.cooking.domain import SPLITS, CookingDomain
from goldsmith.tasks.cooking.recipes import read_recipe
from goldsmith.tasks.cooking.words import PREPARATIONS
from goldsmith.tasks.domain import Task

DOMAIN = CookingDomain()
HELD_OUT = {p.word for p in PREPARATIONS if p.held_out}
CASES = [
    pytest.param(level, split, id=f"{level}-{split}") for level in DOMAIN.levels for split in SPLITS
]
DIGEST = """
import hashlib, json
from goldsmith.tasks.cooking.domain import CookingDomain
d = CookingDomain()
tasks = d.tasks("hard", "test", 1)
seen = [d.environment(t).reset() for t in tasks]
said = [repr((t, o, d.gold_actions(t))) for t, o in zip(tasks, seen)]
print(hashlib.sha256(json.dumps([said, [repr(p) for p in d.lore()]]).encode()).hexdigest())
"""


def words(tasks):
    return {word for task in tasks for word in read_recipe(task.prompt).words}


def foods(tasks):
    return {food for task in tasks for food in read_recipe(task.prompt).foods}


@pytest.mark.parametrize(("level", "split"), CASES)
def test_gold_actions_solve_every_task(level, split):
    for task in DOMAIN.tasks(level, split, 2):
        outcome = DOMAIN.outcome(task, DOMAIN.gold_actions(task))
        assert outcome.solved, outcome
        assert len(set(outcome.proof)) == len(outcome.proof)


@pytest.mark.parametrize("level", DOMAIN.levels)
def test_held_out_words_never_occur_in_training(level):
    train = DOMAIN.tasks(level, "train", 12)
    assert not words(train) & HELD_OUT
    assert {task.tags["words"] for task in train} == {"seen"}


@pytest.mark.parametrize("split", ["valid", "test"])
def test_half_of_the_other_splits_use_held_out_words_only(split):
    tasks = DOMAIN.tasks("hard", split, 10)
    unseen = [task for task in tasks if task.tags["words"] == "unseen"]
    assert len(unseen) == 5
    assert words(unseen) <= HELD_OUT
    assert not words([task for task in tasks if task not in unseen]) & HELD_OUT


def test_training_uses_at_least_24_words():
    tasks = [t for level in DOMAIN.levels for t in DOMAIN.tasks(level, "train", 12)]
    assert len(words(tasks)) >= 24


def test_splits_share_no_game_and_no_new_food():
    tasks = {split: DOMAIN.tasks("medium", split, 12) for split in SPLITS}
    seeds = [{task.data["game"]["seed"] for task in tasks[split]} for split in SPLITS]
    assert not seeds[0] & seeds[1] | seeds[1] & seeds[2] | seeds[0] & seeds[2]
    themes = engine.cooking.FOODS_SPLITS
    assert foods(tasks["train"]) <= set(themes["train"])
    assert not foods(tasks["valid"]) & set(themes["test"])
    assert not foods(tasks["test"]) & set(themes["valid"])


def test_a_food_is_never_prepared_in_the_test_split_as_in_training():
    splits = engine.cooking.FOOD_PREPARATIONS_SPLITS
    for food, ways in splits["train"].items():
        assert ways == [("raw", "uncut")] or not set(ways) & set(splits["test"][food])


def test_equal_arguments_give_equal_tasks_and_fewer_are_a_prefix():
    assert DOMAIN.tasks("easy", "test", 4) == DOMAIN.tasks("easy", "test", 6)[:4]
    assert DOMAIN.tasks("easy", "test", 4) != DOMAIN.tasks("easy", "test", 4, seed=1)


def test_a_task_survives_json():
    task = DOMAIN.tasks("hard", "train", 1)[0]
    again = Task(**json.loads(json.dumps(dataclasses.asdict(task))))
    assert again == task
    assert DOMAIN.environment(again).reset() == DOMAIN.environment(task).reset()


def test_nothing_depends_on_the_hash_seed():
    seen = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "src"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("level", "split"),
    [pytest.param("huge", "train", id="level"), pytest.param("easy", "dev", id="split")],
)
def test_an_unknown_level_or_split_is_refused(level, split):
    with pytest.raises(ConfigError, match="use one of"):
        DOMAIN.tasks(level, split, 1)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="empty"),
        pytest.param({"game": {"recipe": 99, "cook": True, "cut": True, "seed": 1}}, id="too-big"),
        pytest.param({"game": {"recipe": 1, "cook": True, "cut": True}}, id="no-seed"),
        pytest.param({"game": "x"}, id="no-game"),
    ],
)
def test_a_task_that_describes_no_game_is_named(data):
    task = dataclasses.replace(DOMAIN.tasks("easy", "train", 1)[0], data=data)
    with pytest.raises(DomainError, match=task.task_id):
        DOMAIN.environment(task)
