"""What a player sees, in compact lower-case text rendered from the engine's facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from goldsmith.tasks.cooking.words import COOK_TOOLS, CUT_VERBS

CONTAINERS = ("fridge", "oven", "bbq")
SUPPORTERS = ("counter", "table", "stove")
_VISIBLE = {"burned", *COOK_TOOLS, *CUT_VERBS}


@dataclass(frozen=True)
class Scene:
    """The room as a player could see it."""

    contents: Mapping[str, tuple[str, ...]]
    """Holder to the names on or in it; the keys `you` and `floor` stand for inventory and room."""
    states: Mapping[str, tuple[str, ...]]
    """Food to how it is prepared, cooking first; raw and uncut are not said."""
    open: frozenset[str]
    closed: frozenset[str]

    @classmethod
    def from_facts(cls, facts: Iterable[tuple[str, tuple[str, ...]]]) -> Scene:
        """From (predicate, lower-case names) pairs."""
        contents: dict[str, list[str]] = {}
        states: dict[str, list[str]] = {}
        lids: dict[str, set[str]] = {"open": set(), "closed": set()}
        for predicate, names in facts:
            if predicate in ("in", "on") and names[1] != "recipe":
                holder = "you" if names[1] == "i" else names[1]
                contents.setdefault(holder, []).append(names[0])
            elif predicate == "at" and names[0] not in ("p", *CONTAINERS, *SUPPORTERS):
                contents.setdefault("floor", []).append(names[0])
            elif predicate in _VISIBLE:
                states.setdefault(names[0], []).append(predicate)
            elif predicate in lids:
                lids[predicate].add(names[0])
        return cls(
            contents={holder: tuple(sorted(names)) for holder, names in contents.items()},
            states={name: tuple(sorted(said, key=_said_order)) for name, said in states.items()},
            open=frozenset(lids["open"]),
            closed=frozenset(lids["closed"]),
        )

    def named(self, name: str) -> str:
        """A thing with its preparation in front, e.g. `roasted diced red onion`."""
        return " ".join((*self.states.get(name, ()), name))

    def carried(self) -> str:
        """What the player carries, as a list."""
        return ", ".join(self.named(name) for name in self.contents.get("you", ())) or "nothing"

    def at(self, place: str) -> list[str]:
        """A sentence for each thing in one place: a small student can copy it as it stands."""
        where = f"{'in' if place in CONTAINERS else 'on'} {place}"
        return [f"{self.named(name)} {where}." for name in self.contents.get(place, ())]

    def look(self) -> str:
        """The whole room in short sentences; places that hold nothing are left out."""
        sentences = [f"the {place} is closed." for place in CONTAINERS if place in self.closed]
        for place in (*CONTAINERS, *SUPPORTERS, "floor"):
            if place not in self.closed:
                sentences += self.at(place)
        return " ".join([*sentences, f"you carry {self.carried()}."])


def _said_order(state: str) -> tuple[bool, bool, str]:
    return (state in CUT_VERBS, state == "burned", state)


def feedback(command: str, before: Scene, after: Scene) -> str:
    """What a player is told after an admissible command."""
    verb, _, rest = command.partition(" ")
    thing, _, place = rest.partition(" from ")
    match verb:
        case "take":
            return f"you took the {thing} from the {place or 'floor'}."
        case "open":
            return " ".join([f"you opened the {rest}.", *(after.at(rest) or ["it is empty."])])
        case "close":
            return f"you closed the {rest}."
        case "cook" | "slice" | "dice" | "chop":
            food = rest.partition(" with ")[0]
            new = set(after.states.get(food, ())) - set(before.states.get(food, ()))
            return f"the {food} is {' '.join(sorted(new))}."
        case "prepare":
            return "the meal is ready."
        case "eat" | "drink":
            return f"you {'ate' if verb == 'eat' else 'drank'} the {rest}."
        case "put" | "insert" | "drop":
            thing, preposition, place = _split_place(rest)
            return f"you put the {thing} {preposition} the {place}."
        case "examine" if rest in (*CONTAINERS, *SUPPORTERS):
            if rest in after.closed:
                return f"the {rest} is closed."
            return " ".join(after.at(rest)) or f"the {rest} is empty."
        case "examine":
            said = " ".join(after.states.get(rest, ()))
            return f"the {rest} is {said}." if said else f"nothing special about the {rest}."
        case "inventory":
            return f"you carry {after.carried()}."
        case _:
            return after.look()


def _split_place(rest: str) -> tuple[str, str, str]:
    for preposition, said in ((" on ", "on"), (" into ", "in")):
        thing, found, place = rest.partition(preposition)
        if found:
            return thing, said, place
    return rest, "on", "floor"
