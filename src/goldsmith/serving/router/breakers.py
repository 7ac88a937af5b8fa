"""A breaker a replica: open after failures, so that no request goes there; a trial closes it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

CONSECUTIVE, WINDOW, SHARE = 3, 20, 0.5
"""It opens after so many failures in a row, or at this share of the last WINDOW answers."""
FIRST_S, LONGEST_S = 1.0, 30.0
"""To the next trial; doubled each time until WINDOW answers in a row were whole."""


@dataclass(slots=True)
class Breaker:
    """Counts the answers to requests, failures in the middle of a stream too."""

    consecutive: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    is_open: bool = False
    wait_s: float = FIRST_S
    """Before the next trial."""
    on_probation: bool = False
    """A trial has closed it: for the next WINDOW answers one failure is enough."""

    def succeeded(self) -> None:
        """An answer was whole."""
        if self.is_open:
            return  # it was sent before; only a trial closes it
        self.consecutive = 0
        self.recent.append(True)
        if self.on_probation and len(self.recent) == WINDOW:
            self.acquit()

    def failed(self) -> bool:
        """An answer failed; True if it opens the breaker."""
        if self.is_open:
            return False
        self.consecutive += 1
        self.recent.append(False)
        often = len(self.recent) == WINDOW and self.recent.count(False) >= SHARE * WINDOW
        self.is_open = self.on_probation or self.consecutive >= CONSECUTIVE or often
        return self.is_open

    def tried(self, *, well: bool) -> None:
        """What a trial showed."""
        self.is_open, self.on_probation = not well, well
        self.wait_s = min(2 * self.wait_s, LONGEST_S)
        self.consecutive = 0
        self.recent.clear()

    def acquit(self) -> None:
        """What was before counts no more."""
        self.on_probation, self.wait_s = False, FIRST_S
