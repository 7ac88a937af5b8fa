"""Finding every secret and every piece of personal data in a text, in time linear in its length."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from goldsmith.data.sensitive.kinds import Kind, Span
from goldsmith.data.sensitive.personal import COLONS, DATED, EMAIL, LETTERED, NUMBERS, SAID
from goldsmith.data.sensitive.secrets import FORMS, ISSUED
from goldsmith.data.sensitive.words import WORDS

SECRETS: tuple[Kind, ...] = (*FORMS, *ISSUED, *WORDS)
PERSONAL: tuple[Kind, ...] = (EMAIL, *NUMBERS, *LETTERED, *COLONS, *DATED, *SAID)
KINDS: tuple[Kind, ...] = (*SECRETS, *PERSONAL)
_SHORTEST = 7
"""Characters of the shortest find with its word: `pin 1234`."""
_RUN = re.compile(r"\S{16,}")
"""What every token of ISSUED lies in."""
_START = re.compile(r"[A-Za-z](?<![A-Za-z0-9].)")
_DIGITS = re.compile(r"[0-9+(][0-9 .()/-]{6,}+X?")
"""What every kind of NUMBERS lies in."""
_SHORT = re.compile(r"[0-9](?:[0-9]{2}|[ ./-][0-9])")
"""What every kind of DATED holds."""
_PAIR = re.compile(r"[0-9]{2}[0-9A-Z ][0-9A-Z]")
"""What every kind of LETTERED holds."""


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
        tokens = [kind for kind in kinds if kind in ISSUED]
        self._index = _index([kind for kind in tokens if _plain(kind)])
        self._tokens = [kind for kind in tokens if not _plain(kind)]
        self._numbers = [kind for kind in kinds if kind in NUMBERS]
        self._lettered = [kind for kind in kinds if kind in LETTERED]
        self._dated = [kind for kind in kinds if kind in DATED]
        self._colons = [kind for kind in kinds if kind in COLONS]
        gated = {*tokens, *self._numbers, *self._lettered, *self._dated, *self._colons}
        self._always = [kind for kind in kinds if kind not in gated]

    def find(self, text: str) -> list[Span]:
        """What the text holds of these kinds: in order, and no two overlap."""
        if len(text) < _SHORTEST:
            return []
        return _merged(sorted(self._all(text), key=lambda span: (span.start, -span.end)))

    def _all(self, text: str) -> Iterator[Span]:
        folded, kinds = fold(text), list(self._always)
        runs = list(_RUN.finditer(text))
        if runs:
            kinds += self._tokens
        if self._lettered and _PAIR.search(text):
            kinds += self._lettered
        if self._dated and _SHORT.search(text):
            kinds += self._dated
        if self._colons and (text.count(":") > 2 or text.count("-") > 4):
            kinds += self._colons
        for kind in kinds:
            yield from kind.find(text, folded)
        for run in runs:
            yield from self._issued(text, run.start(), run.end())
        for window in _DIGITS.finditer(text) if self._numbers else ():
            for kind in self._numbers:
                yield from kind.within(text, window.start(), window.end() + 2)

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
