"""One replica by dead reckoning: what is on its way there, and how long a new request waits.

The router knows what it sent and what came back, so it counts tokens instead of asking: prompts
that wait are read at the measured rate, answers shrink at the measured rate. The engine's own
figures (`Load`) correct it where other routers send too or its KV cache is full.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from goldsmith.serving.routing.events import Load
from goldsmith.serving.routing.service import Service

LOAD_HALF_LIFE_S = 2.0
"""Age at which what an engine said of other senders counts half."""
LOAD_STALE_S = 5.0
KV_FULL = 0.95
PACE_STEP = 0.05
PACE_LEAST, PACE_MOST = 0.5, 10.0
PACE_HALF_LIFE_S = 30.0
ANSWER_LEFT_LEAST = 0.25
"""Of a mean answer: what is left of one that is longer than expected."""


class Estimate(NamedTuple):
    """How long a request waits for its first token at an endpoint, without the p99 factor."""

    seconds: float
    tokens: float
    """Tokens that are read before it, its own among them."""
    queue_s: float
    """Part of it that passes before a slot is free."""


@dataclass(slots=True)
class Send:
    """One request on its way at one endpoint."""

    at: float
    tokens_in: int
    answer_tokens: float
    model: str
    estimate: Estimate
    stream: bool
    """False: its first byte is the whole answer, which does not show when its prompt was read."""
    first_at: float | None = None
    """When its answer began; of one in a single piece, when it should have."""


@dataclass(slots=True)
class Endpoint:
    """One replica: its state, and the requests that it has."""

    url: str
    service: Service
    healthy: bool = True
    weight: float = 1.0
    adapters: frozenset[str] = frozenset()
    listed: int = 0
    """Tiers that name it now."""
    in_flight: int = 0
    models: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, Send] = field(default_factory=dict)
    """Streams without a first byte, oldest first."""
    pace: float = 1.0
    """Its time over that of the tier's other replicas."""
    _pace_at: float = 0.0
    _backlog: float = 0.0
    _backlog_at: float = 0.0
    _waiting_tokens: int = 0
    _answer_tokens: float = 0.0
    _decoding: int = 0
    _first_sum: float = 0.0
    _foreign: float = 0.0
    _slots: float = 0.0
    """What its engine runs at once for lack of memory; 0: no lack."""
    _load_at: float = 0.0

    def estimate(self, now: float, tokens_in: int) -> Estimate:
        """The wait for the first token of a prompt that is sent now."""
        service = self.service
        busy, slots, queue_s = float(self.in_flight), service.slots, 0.0
        if self._foreign or self._slots:
            busy, slots = self._corrected(now, busy, slots)
        if busy >= slots:
            queue_s = self._queue_s(now, busy, slots)
        tokens: float = tokens_in
        if self._waiting_tokens:
            tokens += self._backlog_now(now)
        if self.waiting:
            oldest = next(iter(self.waiting.values()))
            late_s = now - oldest.at - oldest.estimate.seconds * service.factor
            if late_s > 0.0:
                queue_s += late_s
        tokens *= 1.0 + (busy / slots if busy < slots else 1.0)
        seconds = service.overhead_s + service.s_per_token * tokens + queue_s
        if self.pace != 1.0:
            seconds *= self._pace_now(now)
        return Estimate(seconds, tokens, queue_s)

    def _corrected(self, now: float, busy: float, slots: float) -> tuple[float, float]:
        """With other senders' requests, and slots that the engine cannot fill."""
        age = max(0.0, now - self._load_at)
        busy += self._foreign * LOAD_HALF_LIFE_S / (LOAD_HALF_LIFE_S + age)
        if self._slots and age < LOAD_STALE_S:
            slots = min(slots, self._slots)
        return busy, slots

    def _queue_s(self, now: float, busy: float, slots: float) -> float:
        """Until enough answers have ended for a slot to be free."""
        service = self.service
        decoded = service.decode_per_s * (self._decoding * now - self._first_sum)
        foreign = (busy - self.in_flight) * service.answer_tokens
        least = ANSWER_LEFT_LEAST * busy * service.answer_tokens
        left = max(least, self._answer_tokens + foreign - decoded)
        return (busy - slots + 1.0) * (left / busy) / (service.decode_per_s * slots)

    def _backlog_now(self, now: float) -> float:
        read = max(0.0, now - self._backlog_at) / self.service.s_per_token
        return max(0.0, self._backlog - read)

    def _pace_now(self, now: float) -> float:
        idle = max(0.0, now - self._pace_at)
        return 1.0 + (self.pace - 1.0) * PACE_HALF_LIFE_S / (PACE_HALF_LIFE_S + idle)

    def send(self, request_id: str, send: Send) -> None:
        """A request is on its way here."""
        self.in_flight += 1
        self.models[send.model] = self.models.get(send.model, 0) + 1
        self._backlog = self._backlog_now(send.at) + send.tokens_in
        self._backlog_at = send.at
        self._waiting_tokens += send.tokens_in
        self._answer_tokens += send.answer_tokens
        if send.stream:
            self.waiting[request_id] = send
        else:
            self._decode(send, send.at + send.estimate.seconds)

    def first_byte(self, now: float, request_id: str, send: Send) -> None:
        """The stream of its answer begins: its prompt has been read."""
        del self.waiting[request_id]
        self._read(now, send)
        self._decode(send, now)

    def end(self, now: float, request_id: str, send: Send) -> None:
        """It is done, however it ended."""
        if self.waiting.pop(request_id, None) or not send.stream:
            self._read(now, send)
        if send.first_at is not None:
            self._decoding -= 1
            self._first_sum = self._first_sum - send.first_at if self._decoding else 0.0
        self.in_flight -= 1
        self._answer_tokens = self._answer_tokens - send.answer_tokens if self.in_flight else 0.0
        left = self.models[send.model] - 1
        if left:
            self.models[send.model] = left
        else:
            del self.models[send.model]

    def _decode(self, send: Send, first_at: float) -> None:
        """Its answer grows from then on."""
        send.first_at = first_at
        self._decoding += 1
        self._first_sum += first_at

    def _read(self, now: float, send: Send) -> None:
        """Its prompt waits no more."""
        self._waiting_tokens -= send.tokens_in
        self._backlog = min(self._backlog_now(now), float(self._waiting_tokens))
        self._backlog_at = now

    def learn_pace(self, now: float, seconds: float, estimate: Estimate) -> float:
        """A first token came after `seconds`: how slow this replica is; the pace until now."""
        before = self._pace_now(now)
        ratio = min(PACE_MOST, seconds * before / estimate.seconds)
        self.pace = min(PACE_MOST, max(PACE_LEAST, before + PACE_STEP * (ratio - before)))
        self._pace_at = now
        return before

    def load(self, load: Load) -> None:
        """What the engine says: requests of other senders, and whether memory holds it back."""
        self._foreign = float(max(0, load.running + load.waiting - self.in_flight))
        starved = load.waiting > 0 or load.kv_use >= KV_FULL
        self._slots = float(max(1, load.running)) if starved else 0.0
        self._load_at = load.at
