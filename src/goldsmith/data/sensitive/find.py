"""Finding every secret and every piece of personal data in a text, in time linear in its length."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from goldsmith.data.sensitive.kinds import Kind, Span
from goldsmith.data.sensitive.personal import COLONS, EMAIL, LETTERED, NUMBERS
from goldsmith.data.sensitive.said import DATED, SAID, STREETS
from goldsmith.data.sensitive.secrets import FORMS, ISSUED
from goldsmith.data.sensitive.words import ASSIGNED, WORDS

SECRETS: tuple[Kind, ...] = (*FORMS, *ISSUED, *ASSIGNED, *WORDS)
PERSONAL: tuple[Kind, ...] = (EMAIL, *NUMBERS, *LETTERED, *COLONS, *DATED, *STREETS, *SAID)
KINDS: tuple[Kind, ...] = (*SECRETS, *PERSONAL)
_SHORTEST = 7
"""Characters of the shortest find with its word: `pin 1234`."""
_LONG = 16
"""Characters without a blank that hold every kind of ISSUED and ASSIGNED."""
_START = re.compile(r"[A-Za-z](?<![A-Za-z0-9].)")
_SHORT = re.compile(r"[0-9](?:[0-9]{2}|[ ./-][0-9])")
"""What every kind of DATED holds."""


@dataclass(frozen=True)
class _Anchored:
    """Kinds that lie around what a quick pattern finds."""

    kinds: tuple[Kind, ...]
    anchor: re.Pattern[str]
    ahead: int
    """Characters before the anchor."""
    beyond: int
    """Characters after it, which are looked at, too."""

    def find(self, text: str) -> Iterator[Span]:
        """Every one."""
        for match in self.anchor.finditer(text):
            start, end = match.span()
            size, start = end - start, max(0, start - self.ahead)
            for kind in self.kinds:
                if kind.least <= size:
                    yield from kind.within(text, start, end + self.beyond)


_ANCHORED = (
    _Anchored(NUMBERS, re.compile(r"[0-9+(][0-9 .()/-]{6,}+X?"), 1, 10),
    _Anchored(LETTERED, re.compile(r"[0-9](?:(?<=[A-Z]{2}.)|(?<=[A-Z]{2} .))[0-9]"), 8, 44),
    _Anchored(STREETS, re.compile(r"[0-9](?<![\w.,-].)[0-9]{0,4}[A-Za-z]? [A-Z0-9]"), 0, 100),
    _Anchored(
        COLONS, re.compile(r"[:-](?:(?<=:)[0-9a-fA-F]{0,4}:|(?<=-)(?:[0-9A-Fa-f]{2}-){2})"), 4, 44
    ),
)


def _plain(kind: Kind) -> bool:
    """Whether it begins with a trigger, written so, where a word begins."""
    return bool(kind.triggers) and not (kind.folded or kind.glued or kind.before)


def _index(kinds: Collection[Kind]) -> dict[str, list[tuple[str, Kind]]]:
    """Two characters to the triggers that begin with them."""
    index: dict[str, list[tuple[str, Kind]]] = {}
    for kind in kinds:
        for trigger in kind.triggers:
            index.setdefault(trigger[:2], []).append((trigger, kind))
    return index


class Finder:
    """Finds some kinds in texts."""

    def __init__(self, kinds: Collection[Kind] = KINDS) -> None:
        issued = [kind for kind in kinds if kind in ISSUED]
        self._index = _index([kind for kind in issued if _plain(kind)])
        self._long = [kind for kind in issued if not _plain(kind)]
        self._long += [kind for kind in kinds if kind in ASSIGNED]
        self._dated = [kind for kind in kinds if kind in DATED]
        chosen = [
            replace(each, kinds=tuple(kind for kind in each.kinds if kind in kinds))
            for each in _ANCHORED
        ]
        self._anchored = [each for each in chosen if each.kinds]
        gated = {*issued, *self._long, *self._dated}
        gated.update(kind for each in chosen for kind in each.kinds)
        self._always = [kind for kind in kinds if kind not in gated]

    def find(self, text: str) -> list[Span]:
        """What the text holds of these kinds: in order, and no two overlap."""
        if len(text) < _SHORTEST:
            return []
        return _merged(sorted(self._all(text), key=lambda span: (span.start, -span.end)))

    def _all(self, text: str) -> Iterator[Span]:
        folded, kinds = fold(text), list(self._always)
        long = [word for word in text.split() if len(word) >= _LONG]
        if long:
            kinds += self._long
        if self._dated and _SHORT.search(text):
            kinds += self._dated
        for kind in kinds:
            yield from kind.find(text, folded)
        for each in self._anchored:
            yield from each.find(text)
        end = 0
        for word in long if self._index else ():
            start = text.index(word, end)
            end = start + len(word)
            yield from self._issued(text, start, end)

    def _issued(self, text: str, start: int, end: int) -> Iterator[Span]:
        for match in _START.finditer(text, start, end):
            at = match.start()
            for trigger, kind in self._index.get(text[at : at + 2], ()):
                if text.startswith(trigger, at) and (span := kind.at(text, at)):
                    yield span


def fold(text: str) -> str:
    """Lower case, character for character: U+0130 alone would become two."""
    return (text if text.isascii() else text.replace("\u0130", "i")).lower()


def _merged(spans: list[Span]) -> list[Span]:
    """Overlapping finds become one of the first's kind."""
    merged: list[Span] = []
    for span in spans:
        if merged and span.start < merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = merged[-1]._replace(end=span.end)
        else:
            merged.append(span)
    return merged
