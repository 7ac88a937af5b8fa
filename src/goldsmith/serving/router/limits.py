"""What a key and a tenant may use: requests and tokens a minute, USD a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from goldsmith.config.serving import BudgetSettings
from goldsmith.serving.router.refusal import Refusal

DAY_S = 86_400
Clock = Callable[[], float]


@dataclass(slots=True)
class Bucket:
    """A token bucket that holds a minute's worth; it may go below zero, and is then paid off."""

    per_minute: float
    at: float
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.per_minute

    def wait_s(self, amount: float, now: float) -> float:
        """0 if `amount` is there, or all that it can hold; else how long until then."""
        most = self.per_minute
        level = self.level + (now - self.at) * most / 60.0
        self.level, self.at = (level if level < most else most), now
        short = (amount if amount < most else most) - self.level
        return 0.0 if short <= 1e-9 else short * 60.0 / most


class Amount(NamedTuple):
    """What a request may use at most, or did use."""

    tokens: float
    usd: float


NOTHING = Amount(0.0, 0.0)


class Allowance:
    """One key's or one tenant's limits and what is used of them."""

    __slots__ = ("_clock", "day", "requests", "reserved_usd", "spent_usd", "tokens", "usd_per_day")

    def __init__(self, settings: BudgetSettings, now: float, *, clock: Clock = time.time) -> None:
        self.requests = _bucket(settings.requests_per_minute, now)
        self.tokens = _bucket(settings.tokens_per_minute, now)
        self.usd_per_day = settings.usd_per_day
        self.spent_usd = self.reserved_usd = 0.0
        self._clock = clock
        self.day = clock() // DAY_S

    def wait_s(self, amount: Amount, now: float) -> tuple[float, str]:
        """How long until the request fits (0: now), and which limit is in the way."""
        requests, tokens = self.requests, self.tokens
        if self.usd_per_day and (wait_s := self._until_money_s()):
            return wait_s, "usd_per_day"
        if tokens is not None and (wait_s := tokens.wait_s(amount.tokens, now)):
            return wait_s, "tokens_per_minute"
        if requests is not None and (wait_s := requests.wait_s(1.0, now)):
            return wait_s, "requests_per_minute"
        return 0.0, ""

    def take(self, amount: Amount) -> None:
        """A request was let in."""
        if self.requests is not None:
            self.requests.level -= 1.0
        if self.tokens is not None:
            self.tokens.level -= amount.tokens
        self.reserved_usd += amount.usd

    def settle(self, reserved: Amount, used: Amount) -> None:
        """It ended: what it did not use is given back, what it cost is booked."""
        if self.tokens is not None:
            level = self.tokens.level + reserved.tokens - used.tokens
            self.tokens.level = min(self.tokens.per_minute, level)
        self._turn()
        self.reserved_usd = max(0.0, self.reserved_usd - reserved.usd)
        self.spent_usd += used.usd

    def _until_money_s(self) -> float:
        """A request may start while spent and reserved are below the limit: one may pass it."""
        self._turn()
        if self.spent_usd + self.reserved_usd < self.usd_per_day:
            return 0.0
        return DAY_S - self._clock() % DAY_S

    def _turn(self) -> None:
        """A new day (UTC) begins with nothing spent."""
        day = self._clock() // DAY_S
        if day != self.day:
            self.day, self.spent_usd = day, 0.0


def _bucket(per_minute: float, now: float) -> Bucket | None:
    return Bucket(per_minute, now) if per_minute else None


def admit(allowances: tuple[Allowance, ...], amount: Amount, now: float) -> None:
    """Take one request from each; Refusal (429) if one has not enough, and then from none."""
    for allowance in allowances:
        wait_s, limit = allowance.wait_s(amount, now)
        if wait_s:
            raise _exhausted(limit, wait_s)
    for allowance in allowances:
        allowance.take(amount)


def _exhausted(limit: str, wait_s: float) -> Refusal:
    code = "budget_exhausted" if limit == "usd_per_day" else "rate_limit_exceeded"
    fix = f"come back in {max(1, round(wait_s))} s"
    what = f"the limit {limit} is used up"
    return Refusal(429, code, what, fix=fix, param=limit, retry_after_s=wait_s)
