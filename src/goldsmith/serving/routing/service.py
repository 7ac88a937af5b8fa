"""How fast a tier serves, measured: prefill, decoding, length of answers, and the p99 factor.

    time to first token = overhead + s_per_token * tokens in the way + wait for a slot
    p99                 = that * factor

Overhead and slope are a line through recent requests (line.py). `factor` is an online quantile
tracker (conformal PID control, Angelopoulos et al. 2023): a first token later than predicted raises
it by STEP * 99%, any other lowers it by STEP * 1%, so that in the long run 1% are later, whatever
the load does.
"""

from __future__ import annotations

from goldsmith.config.serving import TierSettings
from goldsmith.serving.routing.line import Line

MISS_SHARE = 0.01
STEP = 0.1
FACTOR_START, FACTOR_LEAST, FACTOR_MOST = 1.5, 0.5, 50.0
RATE_FORGETTING = 0.98
OVERHEAD_LEAST_S = 1e-4
ANSWER_TOKENS = 128.0
"""First guess of an answer's length."""
ANSWER_MEMORY = 200.0
LENGTHS = 32


class Service:
    """The measured speed of one tier; all its replicas teach it."""

    def __init__(self, settings: TierSettings) -> None:
        self.slots = float(settings.slots)
        self.overhead_s = max(OVERHEAD_LEAST_S, settings.network_ms / 1e3)
        self.s_per_token = 1.0 / settings.prefill_tokens_per_s
        self.decode_per_s = settings.decode_tokens_per_s
        self.factor = FACTOR_START
        self.answer_tokens = ANSWER_TOKENS
        self._least_s_per_token = self.s_per_token / 100.0
        self._line = Line(self.overhead_s, self.s_per_token)
        self._decoded_tokens, self._decoded_s = 10.0 * self.decode_per_s, 10.0
        self._answers = [ANSWER_TOKENS] * LENGTHS
        self._answer_counts = [4.0] * LENGTHS

    def answer_length(self, tokens_in: int, max_tokens: int) -> float:
        """Tokens expected of an answer to a prompt of that length."""
        expected = self._answers[min(tokens_in.bit_length(), LENGTHS - 1)]
        return min(expected, max_tokens) if max_tokens > 0 else expected

    def learn_answer(self, tokens_in: int, tokens_out: int) -> None:
        """An answer had so many tokens."""
        place = min(tokens_in.bit_length(), LENGTHS - 1)
        count = self._answer_counts[place] = min(self._answer_counts[place] + 1.0, ANSWER_MEMORY)
        self._answers[place] += (tokens_out - self._answers[place]) / count
        self.answer_tokens += (tokens_out - self.answer_tokens) / ANSWER_MEMORY

    def learn_decoding(self, tokens: int, seconds: float) -> None:
        """One request's tokens after the first came in that time."""
        if tokens <= 0 or seconds <= 0.0:
            return
        self._decoded_tokens = self._decoded_tokens * RATE_FORGETTING + tokens
        self._decoded_s = self._decoded_s * RATE_FORGETTING + seconds
        self.decode_per_s = self._decoded_tokens / self._decoded_s

    def learn_factor(self, seconds: float, predicted_s: float) -> None:
        """A first token came after `seconds`; `predicted_s` is without the factor."""
        late = seconds > predicted_s * self.factor
        change = STEP * (1.0 - MISS_SHARE) if late else -STEP * MISS_SHARE
        self.factor = min(FACTOR_MOST, max(FACTOR_LEAST, self.factor * (1.0 + change)))

    def learn_prefill(self, tokens: float, seconds: float, predicted_s: float) -> None:
        """A first token came after `seconds`, with so many tokens to read before it."""
        line = self._line
        line.add(tokens, min(seconds, 5.0 * predicted_s), 1.0 / (predicted_s * predicted_s))
        overhead_s, s_per_token = line.fit()
        least = self._least_s_per_token
        self.s_per_token = s_per_token if s_per_token > least else least
        self.overhead_s = overhead_s if overhead_s > OVERHEAD_LEAST_S else OVERHEAD_LEAST_S
