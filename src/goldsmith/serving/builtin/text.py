"""Text from tokens as they come: whole characters only, and nothing at or after a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class TextStream:
    """The text of one answer."""

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str]) -> None:
        self._decode, self._stops = decode, stops
        self._ids: list[int] = []
        self._known, self._read = 0, 0
        """Tokens before `_known` are context no more; those before `_read` are in the text."""
        self.text = ""
        self.stopped = False
        """A stop string came; the text ends before it."""
        self._told = 0

    def add(self, token: int) -> None:
        """One more token of the answer."""
        self._ids.append(token)
        self._append(self._new(whole=True))

    def end(self) -> None:
        """No more tokens: an unfinished character is told as it is."""
        if not self.stopped:
            self._append(self._new(whole=False))

    def tell(self, *, last: bool = False) -> str:
        """Text that was not told yet; while more may come, without what may begin a stop."""
        end = len(self.text) if last or self.stopped else len(self.text) - self._held()
        told, self._told = self.text[self._told : end], max(self._told, end)
        return told

    def _new(self, *, whole: bool) -> str:
        before = self._decode(self._ids[self._known : self._read])
        after = self._decode(self._ids[self._known :])
        if whole and (after.endswith(_INCOMPLETE) or len(after) <= len(before)):
            return ""
        self._known, self._read = self._read, len(self._ids)
        return after[len(before) :]

    def _append(self, new: str) -> None:
        start = len(self.text)
        self.text += new
        found = [
            place
            for stop in self._stops
            if (place := self.text.find(stop, max(0, start - len(stop) + 1))) >= 0
        ]
        if found:
            self.text, self.stopped = self.text[: min(found)], True

    def _held(self) -> int:
        """Length of the longest end of the text that a stop string begins with."""
        return max(
            (
                size
                for stop in self._stops
                for size in range(1, min(len(stop), len(self.text) + 1))
                if self.text.endswith(stop[:size])
            ),
            default=0,
        )
