"""A line through recent requests: seconds until the first token over tokens read before it.

Least squares of the relative errors; older requests count less, and two imagined requests hold the
line near the configured guess until real ones outweigh them.
"""

from __future__ import annotations

FORGETTING = 0.995
IMAGINED_TOKENS = (64.0, 2048.0)
IMAGINED_WEIGHT = 3.0


class Line:
    """Weighted sums of the requests seen, and the line that fits them best."""

    def __init__(self, overhead_s: float, s_per_token: float) -> None:
        self._guess = (overhead_s, s_per_token)
        self._weight = self._tokens = self._seconds = self._square = self._both = 0.0
        for tokens in IMAGINED_TOKENS:
            seconds = overhead_s + tokens * s_per_token
            self.add(tokens, seconds, IMAGINED_WEIGHT / (seconds * seconds))
        self._imagined = (self._weight, self._tokens, self._seconds, self._square, self._both)
        self._weight = self._tokens = self._seconds = self._square = self._both = 0.0

    def add(self, tokens: float, seconds: float, weight: float) -> None:
        """A request read so many tokens and then answered."""
        weighted = weight * tokens
        self._weight = self._weight * FORGETTING + weight
        self._tokens = self._tokens * FORGETTING + weighted
        self._seconds = self._seconds * FORGETTING + weight * seconds
        self._square = self._square * FORGETTING + weighted * tokens
        self._both = self._both * FORGETTING + weighted * seconds

    def fit(self) -> tuple[float, float]:
        """Seconds before the first token that no token costs, and seconds a token."""
        imagined = self._imagined
        weight, tokens = self._weight + imagined[0], self._tokens + imagined[1]
        seconds, square = self._seconds + imagined[2], self._square + imagined[3]
        both = self._both + imagined[4]
        spread = weight * square - tokens * tokens
        if spread <= 0.0:
            return self._guess
        slope = (weight * both - tokens * seconds) / spread
        return (seconds - slope * tokens) / weight, slope
