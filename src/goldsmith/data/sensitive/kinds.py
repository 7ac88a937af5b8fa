"""What a kind of secret or personal data is: where to look, what it looks like, what proves it.

A kind is found in one of two ways. With `triggers`, the text is searched for those (as fast as
memory allows), and `pattern` must match right there. Without, `pattern` itself is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

Group = Literal["secret", "personal"]
Match = re.Match[str]


class Span(NamedTuple):
    """One find: `text[start:end]` is of this kind."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind; the group `value` of its pattern is what must not be seen, else all of it."""

    name: str
    group: Group
    pattern: re.Pattern[str]
    triggers: tuple[str, ...] = ()
    folded: bool = False
    """The triggers are lower case and stand for any case."""
    hints: tuple[str, ...] = ()
    """Without triggers: one of these (lower case) must be in the text."""
    before: re.Pattern[str] | None = None
    """Ends with `\\Z` and must match the characters just before: they belong to the find."""
    reach: int = 0
    """How many characters `before` may take."""
    least: int = 0
    """Characters of a number that it takes at the least."""
    glued: bool = False
    """It may follow a letter or digit directly."""
    accept: Callable[[Match], bool] | None = None
    certain: bool = True
    """Told by its form alone; else by the words around it."""

    @cached_property
    def tag(self) -> str:
        """Its name as a word."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    @cached_property
    def _value(self) -> str | int:
        return "value" if "value" in self.pattern.groupindex else 0

    def find(self, text: str, folded: str) -> Iterator[Span]:
        """Every one in the text; `folded` is the text in lower case, as long as the text."""
        where = folded if self.folded else text
        for trigger in self.triggers:
            if trigger in where:
                yield from self._at(trigger, text, where)
        if not self.triggers and (not self.hints or any(hint in folded for hint in self.hints)):
            yield from self.within(text, 0, len(text))

    def within(self, text: str, start: int, end: int) -> Iterator[Span]:
        """Every one between two positions, by its pattern alone."""
        for match in self.pattern.finditer(text, start, end):
            if span := self._span(text, match):
                yield span

    def at(self, text: str, position: int) -> Span | None:
        """The one that begins with the trigger at this position."""
        match = self.pattern.match(text, position)
        return self._span(text, match) if match else None

    def _at(self, trigger: str, text: str, where: str) -> Iterator[Span]:
        at = where.find(trigger)
        while at >= 0:
            end = at + len(trigger)
            free = self.glued or self.before or not at or not text[at - 1].isalnum()
            if free and (span := self.at(text, at)):
                yield span
                end = max(end, span.end)
            at = where.find(trigger, end)

    def _span(self, text: str, match: Match) -> Span | None:
        start, end = match.span(self._value)
        if self.before:
            ahead = self.before.search(text, max(0, start - self.reach), start)
            if not ahead:
                return None
            start = ahead.start()
        if start == end or (self.accept and not self.accept(match)):
            return None
        return Span(start, end, self)
