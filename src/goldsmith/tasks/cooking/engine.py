"""TextWorld's cooking games, made in 0.04 s instead of 1 s, without Inform and without jericho.

Three departures from the stock generator, all confined to `build`:

* `GameMaker.set_walkthrough` compiles a story file and plays it to learn which actions trigger each
  event; here the walkthrough is replayed in `GameProgression`. Skipping it would leave every game
  without `policy_commands`.
* `KnowledgeBase.load` parses 14 rule files for every game; here once a process.
* The BBQ stands in the kitchen, so that one room (`go=1`) has all three ways of cooking; the stock
  game keeps it in the backyard and has no grilling recipes in one room.

textworld imports jericho (GPL-2.0) for a back end that is not used here, so a stand-in module takes
its place before the import (docs/decisions/0002-jericho.md).
"""

from __future__ import annotations

import functools
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_JERICHO = "textworld.envs.zmachine.jericho"
if _JERICHO not in sys.modules:
    _stand_in = types.ModuleType(_JERICHO)
    _stand_in.JerichoEnv = type("JerichoEnv", (), {})  # type: ignore[attr-defined]
    sys.modules[_JERICHO] = _stand_in

from textworld.challenges.tw_cooking import cooking  # noqa: E402 (needs the stand-in above)
from textworld.generator.data import KnowledgeBase  # noqa: E402
from textworld.generator.game import GameOptions, GameProgression  # noqa: E402
from textworld.generator.inform7 import Inform7Game  # noqa: E402
from textworld.generator.maker import GameMaker  # noqa: E402

__all__ = ["FOODS", "Game", "GameProgression", "Inform7Game", "build", "fork", "rule_base"]

FOODS: dict[str, Any] = cooking.FOODS
Game = Any
"""A `textworld.Game`; the package has no types."""

_lock = threading.RLock()  # the patches are process-wide while a game is made
_stock_load = KnowledgeBase.load


def build(*, recipe: int, cook: bool, cut: bool, split: str, seed: int) -> Game | None:
    """One cooking game in one room; None if the generator has no such game for this seed."""
    settings = {
        "recipe": recipe,
        "take": recipe,
        "go": 1,
        "open": True,
        "cook": cook,
        "cut": cut,
        "drop": False,  # with drop, `policy_commands` is empty for the whole game
        "split": split,
        "recipe_seed": 0,
    }
    options = GameOptions()
    options.seeds = seed
    with patched_generator():
        try:
            return cooking.make(settings, options)
        except ValueError:  # a food that cannot be cut was drawn for a cutting-only game
            return None


@contextmanager
def patched_generator() -> Iterator[None]:
    """The departures in the module docstring, for as long as the block runs."""
    with _lock, ExitStack() as stack:
        stack.enter_context(swapped(GameMaker, "set_walkthrough", _replay_walkthrough))
        stack.enter_context(swapped(KnowledgeBase, "load", staticmethod(_knowledge)))
        bbq = dict(cooking.ENTITIES["BBQ"], locations=["kitchen"])
        stock_bbq = cooking.ENTITIES["BBQ"]
        cooking.ENTITIES["BBQ"] = bbq
        stack.callback(cooking.ENTITIES.__setitem__, "BBQ", stock_bbq)
        yield


@contextmanager
def swapped(owner: type, name: str, value: object) -> Iterator[None]:
    stock = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, stock)


@functools.cache
def _knowledge(
    target_dir: str | None = None, logic_path: str | None = None, grammar_path: str | None = None
) -> Any:
    return _stock_load(target_dir=target_dir, logic_path=logic_path, grammar_path=grammar_path)


def _replay_walkthrough(maker: Any, commands: list[str]) -> None:
    """Give each winning event the actions that lead to it, by replay.

    A command that changes nothing, such as opening the fridge twice, is left out of the actions.
    """
    game = maker.build()
    inform7 = Inform7Game(game)
    progression = GameProgression(game)
    watched = [event for quest in progression.quest_progressions for event in quest.win_events]
    copies = {event: event.copy() for quest in maker.quests for event in quest.win_events}
    actions: list[Any] = []
    for index, command in enumerate(commands):
        before = [event.triggered for event in watched]
        valid = progression.valid_actions
        names = inform7.gen_commands_from_actions(valid)
        if command in names:
            actions.append(valid[names.index(command)])
            progression.update(actions[-1])
        for was_triggered, event in zip(before, watched, strict=True):
            if event.triggered and not was_triggered:
                copies[event.event].actions = list(actions)
                copies[event.event].commands = commands[: index + 1]
    for event, copy in copies.items():
        event.actions, event.commands = copy.actions, copy.commands


def fork(progression: Any) -> Any:
    """A copy that may be updated; events that are over are shared, since updates skip them.

    The stock `GameProgression.copy` lists the admissible actions and rebuilds every plan first.
    """
    twin = object.__new__(GameProgression)
    twin.game = progression.game
    twin.state = progression.state.copy()
    twin._valid_actions = progression._valid_actions
    twin.quest_progressions = [_fork_quest(quest) for quest in progression.quest_progressions]
    return twin


def _fork_quest(quest: Any) -> Any:
    if quest.done:
        return quest
    twin = object.__new__(type(quest))
    twin.__dict__.update(quest.__dict__)
    twin.win_events = [_fork_event(event) for event in quest.win_events]
    twin.fail_events = [_fork_event(event) for event in quest.fail_events]
    return twin


def _fork_event(event: Any) -> Any:
    if event.done:
        return event
    twin = object.__new__(type(event))
    twin.__dict__.update(event.__dict__)
    twin._tree = event._tree.copy()
    return twin


def rule_base() -> Any:
    """TextWorld's parsed rule files of the cooking game (a `KnowledgeBase`)."""
    return _knowledge(logic_path=cooking.KB_LOGIC_PATH, grammar_path=cooking.KB_GRAMMAR_PATH)
