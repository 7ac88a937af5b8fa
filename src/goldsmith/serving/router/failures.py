"""How a leg may fail, and where it stands meanwhile."""

from __future__ import annotations

from enum import Enum
from typing import Self

GONE = 499
"""Status of a request whose client, or whose need, went away."""
HEDGED = "its hedge was faster"
SLOW_CLIENT = "the client reads too slowly"


class Stage(Enum):
    """What a leg waits for."""

    GATE = 0
    FIRST_BYTE = 1
    ENGINE = 2
    CLIENT = 3


def is_callers_fault(status: int) -> bool:
    """Whether an engine's refusal is about the request, so that another replica would refuse it."""
    return 400 <= status < 500 and status not in (401, 403, 404, 408, 429)


class LegFailedError(Exception):
    """A leg brought no answer; `status` is the engine's, 0 if it said nothing.

    `why` goes to clients, so it names no address.
    """

    def __init__(
        self,
        why: str,
        *,
        status: int = 0,
        body: bytes = b"",
        final: bool = False,
        down: bool = False,
    ) -> None:
        self.why, self.status, self.body = why, status, body
        self.final = final
        """The request is at fault: another replica would say the same."""
        self.down = down
        """The replica takes no requests."""
        super().__init__(why)

    @classmethod
    def refused(cls, status: int, body: bytes) -> Self:
        """The engine said no."""
        final, down = is_callers_fault(status), status == 503
        return cls(f"HTTP {status}", status=status, body=body, final=final, down=down)
