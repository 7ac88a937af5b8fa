"""Calls into a domain plug-in: its errors get its name, and its time can be bounded.

The budget is enforced by an alarm signal, so only in a process's main thread, where steps run, and
not inside C code that never returns to Python.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from goldsmith.errors import DomainError, GoldsmithError

MEND = "mend the plug-in"
MEND_OR_WAIT = f"{MEND} or raise collaborate.task_timeout_s"


class _Expired(BaseException):
    """Not an Exception, so that a plug-in's `except Exception` does not swallow it."""


class Guard:
    """One piece of work of a domain, and the time that all calls for it may take together."""

    def __init__(self, domain: str, work: str, budget_s: float = math.inf) -> None:
        self.what, self.budget_s, self.left_s = f"domain {domain} on {work}", budget_s, budget_s

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function's answer; DomainError if it raises or the budget is used up."""
        started = time.monotonic()
        try:
            return _within(self.left_s, function, *args, **kwargs)
        except GoldsmithError:
            raise
        except _Expired:
            why = f"no answer within {self.budget_s:g} s"
            raise DomainError(f"{self.what} hangs", why=why, fix=MEND_OR_WAIT) from None
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise DomainError(f"{self.what} raised", why=why, fix=MEND) from error
        finally:
            self.left_s = max(1e-3, self.left_s - (time.monotonic() - started))


def _within(seconds: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if seconds == math.inf or threading.current_thread() is not threading.main_thread():
        return function(*args, **kwargs)
    before = signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return function(*args, **kwargs)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _expire(*_: object) -> None:
    raise _Expired
