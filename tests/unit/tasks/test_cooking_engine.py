"""The patched generator makes the stock games, and needs neither jericho nor Inform."""

import random
import sys

from goldsmith.tasks.cooking import engine
from goldsmith.tasks.cooking.engine import GameMaker, GameOptions, GameProgression, Inform7Game

STOCK_WALKTHROUGH = GameMaker.__dict__["set_walkthrough"]
HARD = {"recipe": 2, "cook": True, "cut": True, "split": "train", "seed": 1}


def policy(game):
    commands = GameProgression(game).winning_policy
    return Inform7Game(game).gen_commands_from_actions(commands)


def facts(game):
    return sorted(map(str, game.world.facts))


def stock_game(monkeypatch, folder):
    """A game by TextWorld's own `set_walkthrough`, playing a JSON file instead of Inform's."""

    def compile_to_json(maker, path):
        game = maker.build()
        game.save(str(folder / "game.json"))
        return str(folder / "game.json")

    monkeypatch.setattr(GameMaker, "compile", compile_to_json)
    settings = {**HARD, "take": 2, "go": 1, "open": True, "drop": False, "recipe_seed": 0}
    options = GameOptions()
    options.seeds = settings.pop("seed")
    stock = engine.swapped(GameMaker, "set_walkthrough", STOCK_WALKTHROUGH)
    with engine.patched_generator(), stock:
        return engine.cooking.make(settings, options)


def test_the_engine_needs_no_jericho():
    assert "textworld" in sys.modules
    assert "jericho" not in sys.modules


def test_the_replayed_walkthrough_gives_the_stock_game(monkeypatch, tmp_path):
    ours, stock = engine.build(**HARD), stock_game(monkeypatch, tmp_path)
    assert facts(ours) == facts(stock)
    assert policy(ours) == policy(stock)
    assert len(policy(ours)) == 10


def test_without_the_replay_a_game_has_no_policy():
    nothing = engine.swapped(GameMaker, "set_walkthrough", lambda maker, commands: None)
    with engine.patched_generator(), nothing:
        options = GameOptions()
        options.seeds = 1
        settings = {**HARD, "take": 2, "go": 1, "open": True, "drop": False, "recipe_seed": 0}
        game = engine.cooking.make(settings, options)
    assert GameProgression(game).winning_policy is None


def test_the_generator_is_left_as_it_was():
    engine.build(**HARD)
    assert GameMaker.__dict__["set_walkthrough"] is STOCK_WALKTHROUGH
    assert engine.cooking.ENTITIES["BBQ"]["locations"] == ["backyard"]


def test_a_seed_without_a_game_is_none():
    cut_only = {"recipe": 1, "cook": False, "cut": True, "split": "valid"}
    games = [engine.build(**cut_only, seed=seed) for seed in range(12)]
    assert any(game is None for game in games)
    assert any(game is not None for game in games)


def test_a_fork_goes_on_like_the_original():
    rng, game = random.Random(0), engine.build(**HARD)
    for _ in range(6):
        original = GameProgression(game)
        while not original.done and rng.random() < 0.95:
            twin = engine.fork(original)
            at = rng.randrange(len(original.valid_actions))
            before = facts_of(original)
            twin.update(original.valid_actions[at])
            assert facts_of(original) == before
            original.update(original.valid_actions[at])
            assert (twin.done, facts_of(twin)) == (original.done, facts_of(original))
            assert str(twin.winning_policy) == str(original.winning_policy)


def facts_of(progression):
    return sorted(map(str, progression.state.facts))
