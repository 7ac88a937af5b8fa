"""Prices of the two constraints that hold on average: the budget, and the SLO.

Both are duals by ascent: what the constraint is violated by, summed, is its price. The budget's
sum is the overdraft of an account that the budget flows into, so that spending follows the budget
with an error that does not grow with time; unspent money of at most an hour is carried.
"""

from __future__ import annotations

from goldsmith.serving.routing.service import MISS_SHARE

CARRIED_H = 1.0
OVERDRAFT_H = 0.1
"""Overdraft at which requests are refused, in hours of budget."""
PRICE_ONE_H = 0.01
"""Overdraft at which the price is 1, in hours of budget."""
MISS_STEP = 10.0
MISS_PRICE_MOST = 500.0
PRICE_MEMORY = 200.0


class Budget:
    """The account of all requests that leave the tier to the router; 0 USD/h: no budget."""

    def __init__(self, usd_per_hour: float) -> None:
        self.usd_per_hour = usd_per_hour
        self.spent_usd = 0.0
        self._balance = 0.0
        self._at: float | None = None

    def price(self, now: float) -> float:
        """What a dollar costs beyond a dollar."""
        if not self.usd_per_hour:
            return 0.0
        self._accrue(now)
        return max(0.0, -self._balance / (self.usd_per_hour * PRICE_ONE_H))

    def retry_after_s(self) -> float:
        """0 while there is money; else the time until there is."""
        if not self.usd_per_hour:
            return 0.0
        missing = -self._balance - OVERDRAFT_H * self.usd_per_hour
        return max(0.0, missing / self.usd_per_hour * 3600.0)

    def spend(self, usd: float) -> None:
        """Take money for a request; less than 0 gives back."""
        self.spent_usd += usd
        self._balance -= usd

    def _accrue(self, now: float) -> None:
        elapsed_s = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        income = elapsed_s * self.usd_per_hour / 3600.0
        self._balance = min(CARRIED_H * self.usd_per_hour, self._balance + income)


class MissPrice:
    """What a first token after its SLO costs, in mean prices of a request."""

    def __init__(self) -> None:
        self._price = 0.0
        self._usd = 0.0

    def usd(self) -> float:
        """Of one sure miss."""
        return self._price * self._usd

    def learn(self, missed: bool) -> None:
        """A first token was late or in time."""
        change = MISS_STEP * ((1.0 if missed else 0.0) - MISS_SHARE)
        self._price = min(MISS_PRICE_MOST, max(0.0, self._price + change))

    def charged(self, usd: float) -> None:
        """A request of that price was placed."""
        self._usd = self._usd + (usd - self._usd) / PRICE_MEMORY if self._usd else usd


def miss_share(predicted_p99_ms: float, slo_ms: float) -> float:
    """P(first token after the SLO): a Pareto tail of exponent 2 through the predicted p99."""
    if slo_ms <= 0.0:
        return 0.0
    ratio = predicted_p99_ms / slo_ms
    return min(1.0, MISS_SHARE * ratio * ratio)
