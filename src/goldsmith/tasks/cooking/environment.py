"""One task being played on the engine's facts, with a transition trie that all its players share.

Strict: an inadmissible command changes nothing and says so. Memory: a node of the trie keeps texts;
the engine states behind the nodes are kept for the last few thousand nodes only and are replayed
from the root when an old node is extended.
"""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

from goldsmith.errors import DomainError
from goldsmith.tasks.cooking import engine
from goldsmith.tasks.cooking.scene import Scene, feedback
from goldsmith.tasks.domain import Observation, Task

ILLEGAL = "that does not work."
LIVE_STATES = 2000
"""Engine states kept in memory, over all games of the process."""
CACHED_GAMES = 1024


@dataclass(eq=False, slots=True)
class Node:
    """A state that some sequence of commands has reached."""

    parent: Node | None
    command: str
    observation: Observation
    legal: tuple[str, ...]
    state_hash: str
    scene: Scene
    children: dict[str, Node] = field(default_factory=dict)


class Playground:
    """The trie of one game."""

    _live: ClassVar[OrderedDict[Node, Any]] = OrderedDict()  # least recently used first

    def __init__(self, game: engine.Game) -> None:
        self.game = game
        self._inform7 = engine.Inform7Game(game)
        self._names = {
            key: (info.name or info.id or key).lower() for key, info in game.infos.items()
        }
        self._make = f"make/recipe/{len(game.metadata['ingredients'])}"
        self._said: dict[Any, tuple[str, tuple[str, ...]]] = {}
        start = engine.GameProgression(game)
        self.length = len(start.winning_policy)
        """Commands of the reference solution from the start."""
        self.root = self._node(None, "", start)

    def child(self, node: Node, command: str) -> Node | None:
        """The node after one command; None if the command is not admissible."""
        known = node.children.get(command)
        if known is None and command in node.legal:
            progression = engine.fork(self._progression(node))
            progression.update(self._action(progression, command))
            known = node.children[command] = self._node(node, command, progression)
        return known

    def reference(self) -> list[str]:
        """The engine's own solution (`policy_commands`), replanned after each step."""
        commands: list[str] = []
        progression = engine.GameProgression(self.game)
        while not progression.done:
            action = progression.winning_policy[0]
            commands += self._commands([action])
            progression.update(action)
        return commands

    def _node(self, parent: Node | None, command: str, progression: Any) -> Node:
        scene = Scene.from_facts(self._fact(fact) for fact in progression.state.facts)
        won = progression.completed and not progression.failed
        left = self._left(progression)
        done = left is None
        text = feedback(command, parent.scene, scene) if parent else scene.look()
        if done and not won and command == "prepare meal":
            text = "the meal is not right."
        if done:
            text += " you won." if won else " you lost."
        node = Node(
            parent=parent,
            command=command,
            observation=Observation(
                text=text,
                done=done,
                solved=won,
                progress=float(won) if left is None else max(0.0, 1 - left / self.length),
            ),
            legal=() if done else tuple(sorted(set(self._commands(self._valid(progression))))),
            state_hash=self._hash(progression),
            scene=scene,
        )
        if not done:
            self._keep(node, progression)
        return node

    def _left(self, progression: Any) -> int | None:
        """How many commands the engine's plan still has; None if the game is over."""
        policy = progression.winning_policy
        return None if policy is None else len(policy)

    def _commands(self, actions: Sequence[Any]) -> list[str]:
        commands = self._inform7.gen_commands_from_actions(actions)
        return [sys.intern(command.lower()) for command in commands]

    def _action(self, progression: Any, command: str) -> Any:
        valid = self._valid(progression)
        return valid[self._commands(valid).index(command)]

    def _valid(self, progression: Any) -> list[Any]:
        """Admissible actions, without meals of fewer ingredients than the recipe's.

        The rule files have one `prepare meal` for each number of ingredients and would make a meal
        from the first alone; the Inform code of the same game refuses that.
        """
        return [
            action
            for action in progression.valid_actions
            if not action.name.startswith("make/recipe/") or action.name == self._make
        ]

    def _fact(self, fact: Any) -> tuple[str, tuple[str, ...]]:
        said = self._said.get(fact)
        if said is None:
            names = tuple(self._names.get(v.name, v.name.lower()) for v in fact.arguments)
            said = self._said[fact] = (fact.name, names)
        return said

    def _hash(self, progression: Any) -> str:
        facts = sorted(self._fact(fact) for fact in progression.state.facts)
        state = repr((facts, progression.completed, progression.failed))
        return hashlib.sha256(state.encode()).hexdigest()[:16]

    def _progression(self, node: Node) -> Any:
        """The engine state of a node, replayed if it was dropped; not to be changed."""
        live = self._live.get(node)
        if live is not None:
            self._live.move_to_end(node)
            return live
        if node.parent is None:
            progression = engine.GameProgression(self.game)
        else:
            progression = engine.fork(self._progression(node.parent))
            progression.update(self._action(progression, node.command))
        return self._keep(node, progression)

    def _keep(self, node: Node, progression: Any) -> Any:
        self._live[node] = progression
        while len(self._live) > LIVE_STATES:
            self._live.popitem(last=False)
        return progression


@lru_cache(maxsize=CACHED_GAMES)
def playground(*, recipe: int, cook: bool, cut: bool, split: str, seed: int) -> Playground | None:
    """The shared trie of one game; None if the generator has none for this seed."""
    game = engine.build(recipe=recipe, cook=cook, cut=cut, split=split, seed=seed)
    return None if game is None else Playground(game)


def playground_of(task: Task) -> Playground:
    """The shared trie of one task's game; DomainError if the task describes none."""
    try:
        ground = playground(split=task.split, **task.data["game"])
    except (KeyError, TypeError, AssertionError) as error:
        raise DomainError(f"cooking task {task.task_id}", why=f"not a game: {error!r}") from error
    if ground is None:
        raise DomainError(f"cooking task {task.task_id}", why="the generator has no such game")
    return ground


class CookingEnvironment:
    """A player's cursor in the trie."""

    def __init__(self, task: Task) -> None:
        self._ground = playground_of(task)
        self._node = self._ground.root

    def reset(self) -> Observation:
        """Back to the start."""
        self._node = self._ground.root
        return self._node.observation

    def step(self, action: str) -> Observation:
        """Try one command; nothing is admissible once the game is over."""
        child = self._ground.child(self._node, action)
        if child is None:
            now = self._node.observation
            return Observation(
                ILLEGAL, legal=False, done=now.done, solved=now.solved, progress=now.progress
            )
        self._node = child
        return child.observation

    def legal_actions(self) -> Sequence[str]:
        """Admissible commands, sorted; none when the game is over."""
        return self._node.legal

    def state_hash(self) -> str:
        """Sixteen hex digits over the engine's facts."""
        return self._node.state_hash
