"""A breaker a replica: closed, open after failures, half open for one trial, closed again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

CONSECUTIVE, WINDOW, SHARE = 3, 20, 0.5
"""It opens after so many failures in a row, or at this share of the last WINDOW answers."""
FIRST_S, LONGEST_S = 1.0, 30.0
"""Open for so long, doubled each time that the trial fails."""


@dataclass(slots=True)
class Breaker:
    """Counts answers, failures in the middle of a stream too; `now` in seconds of one clock."""

    consecutive: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    opened_at: float | None = None
    open_s: float = FIRST_S
    on_trial: bool = False

    @property
    def closed(self) -> bool:
        """Whether nothing is wrong."""
        return self.opened_at is None

    def may_try(self, now: float) -> bool:
        """Whether a request may go: always if closed, one at a time once the time is over."""
        if self.opened_at is None:
            return True
        return not self.on_trial and now - self.opened_at >= self.open_s

    def sent(self) -> None:
        """A request goes; if it is open this is the trial."""
        self.on_trial = self.opened_at is not None

    def succeeded(self) -> bool:
        """An answer was whole; True if it closes the breaker."""
        self.consecutive = 0
        self.recent.append(True)
        if self.opened_at is None:
            return False
        self.opened_at, self.on_trial, self.open_s = None, False, FIRST_S
        self.recent.clear()
        return True

    def failed(self, now: float) -> bool:
        """An answer failed; True if it opens the breaker."""
        self.consecutive += 1
        self.recent.append(False)
        if self.opened_at is not None:
            if self.on_trial:
                self.opened_at, self.open_s = now, min(2 * self.open_s, LONGEST_S)
            self.on_trial = False
            return False
        often = len(self.recent) == WINDOW and self.recent.count(False) >= SHARE * WINDOW
        return self.open(now) if self.consecutive >= CONSECUTIVE or often else False

    def open(self, now: float) -> bool:
        """Eject the replica; True unless it was out already."""
        if self.opened_at is not None:
            return False
        self.opened_at, self.on_trial = now, False
        return True

    def cancelled(self) -> None:
        """The trial ended without a verdict."""
        self.on_trial = False
