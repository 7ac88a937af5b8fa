"""`Leg`: one request on its way to one replica, from the gate to the last byte."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from goldsmith.serving.router.ask import Ask
from goldsmith.serving.router.events import BOUNDARY, read_event
from goldsmith.serving.router.failures import GONE, HEDGED, SLOW_CLIENT, LegFailedError, Stage
from goldsmith.serving.router.fleet import ReplicaGoneError
from goldsmith.serving.router.outgoing import encode
from goldsmith.serving.router.refusal import Headers
from goldsmith.serving.router.replica import Replica
from goldsmith.serving.routing import events
from goldsmith.serving.routing.decision import Decision

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

log = logging.getLogger(__name__)

RECHECK_S = 0.5
_ERROR_BYTES = 64 << 10


class Leg:
    """Counted at the brain, the replica, its gate and breaker from `begin` to `end`."""

    __slots__ = (
        "_core",
        "_ended",
        "_holds_slot",
        "ask",
        "byte_at",
        "chunk",
        "decision",
        "document",
        "due",
        "excluded",
        "hedge",
        "is_hedge",
        "is_last",
        "model",
        "replica",
        "response",
        "sent_at",
        "stage",
        "task",
        "times",
        "waited_s",
        "why",
        "winner",
    )

    def __init__(self, core: Core, ask: Ask, decision: Decision, replica: Replica) -> None:
        self._core, self.ask, self.decision, self.replica = core, ask, decision, replica
        self.model = ask.adapter or core.models[decision.tier]
        """The engine-side name."""
        self._ended = self._holds_slot = False
        self.response: aiohttp.ClientResponse | None = None
        self.chunk = b""
        """The whole answer, or the first bytes of a stream."""
        self.document: dict[str, Any] | None = None
        """The JSON in it."""
        self.sent_at = self.byte_at = self.due = 0.0
        self.waited_s = 0.0
        """At the gate."""
        self.excluded: tuple[str, ...] = ()
        """Replicas that failed the request before."""
        self.times = core.patience.times(ask, decision)
        self.hedge: Leg | None = None
        self.winner: Leg | None = None
        """Its hedge, if that answered first."""
        self.is_hedge = self.is_last = False
        """No other replica will be tried after it."""
        self.stage = Stage.GATE
        self.task: asyncio.Task[Any] | None = None
        self.why = ""
        """Why it was ended from outside."""

    @property
    def tier(self) -> str:
        """Whose answer it is; a replica may serve several tiers."""
        return self.decision.tier

    @property
    def version(self) -> str:
        """What answers: an adapter's immutable name, or the base model's version."""
        return self.ask.adapter or self.replica.version

    def route_headers(self) -> Headers:
        """`X-Route-*`: where the answer comes from, why, and how fast."""
        core, ask, decision, now = self._core, self.ask, self.decision, time.monotonic()
        overhead_s = now - self.byte_at + max(0.0, self.sent_at - ask.started - self.waited_s)
        core.metrics.overhead.observe(overhead_s)
        headers = [
            (b"x-request-id", ask.request_id.encode()),
            (b"x-route-tier", self.tier.encode()),
            (b"x-route-version", self.version.encode("latin-1", "replace")),
            (b"x-route-reason", decision.reason.encode()),
            (b"x-route-predicted-ttft-ms", b"%.2f" % decision.predicted_ttft_ms),
            (b"x-route-ttft-ms", b"%.2f" % ((self.byte_at - ask.started) * 1e3)),
            (b"x-route-overhead-ms", b"%.3f" % (overhead_s * 1e3)),
        ]
        if core.draining:
            headers.append((b"connection", b"close"))
        return headers

    def begin(self) -> None:
        """From now on it counts."""
        core, replica = self._core, self.replica
        self.sent_at = time.monotonic()
        core.observe(events.Sent(self.sent_at, self.ask.request_id, replica.url))
        replica.begin(self.model)

    async def run(self) -> None:
        """Through the gate, out, and to the first byte; LegFailedError, Refusal."""
        self.task = asyncio.current_task()
        try:
            if self.replica.gate.enter():
                self._holds_slot = True
            else:
                await self._wait_at_gate()
            await self._exchange()
        except asyncio.CancelledError:
            if self.why and self.task is not None and self.task.uncancel() == 0:
                status = GONE if self.why == HEDGED else 504
                raise self._fail(LegFailedError(self.why, status=status)) from None
            self.end(ok=False, status=GONE)
            raise
        except ReplicaGoneError:
            raise self._fail(LegFailedError("its replica left", status=GONE)) from None
        except LegFailedError as error:
            raise self._fail(error) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            log.info("%s: %s", self.replica.url, error)
            raise self._fail(LegFailedError("no connection", down=True)) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("%s: %s", self.replica.url, error or type(error).__name__)
            raise self._fail(LegFailedError("the connection broke")) from None
        except BaseException:
            self.end(ok=False, status=GONE)
            raise

    async def _wait_at_gate(self) -> None:
        ask, core = self.ask, self._core
        limit_s = ask.hints.slo_ttft_ms or core.settings.first_byte_timeout_ms
        deadline = ask.started + (core.async_wait_s if ask.is_async else limit_s / 1e3)
        priority = ask.hints.priority
        await core.admission.wait(
            self.replica.gate, priority=priority, is_async=ask.is_async, deadline=deadline
        )
        self._holds_slot = True
        now = time.monotonic()
        self.waited_s, self.sent_at = now - self.sent_at, now

    async def _exchange(self) -> None:
        core, ask, replica = self._core, self.ask, self.replica
        self.stage = Stage.FIRST_BYTE
        self._plan()
        core.watch.add(self)
        headers = {"traceparent": ask.traceparent} if ask.traceparent else None
        response = self.response = await core.session.post(
            replica.urls[ask.path],
            data=encode(ask, self.model, replica.engine),
            headers=headers,
            allow_redirects=False,
        )
        if response.status != 200:
            await self._refused(response)
        self.chunk = await (self._first_event(response) if ask.stream else response.read())
        now = self.byte_at = replica.byte_at = time.monotonic()
        self._check_start()
        self.stage, self.due = Stage.CLIENT, math.inf
        core.observe(events.FirstByte(now, ask.request_id, replica.url))

    async def _first_event(self, response: aiohttp.ClientResponse) -> bytes:
        chunk = await response.content.readany()
        while chunk and not BOUNDARY.search(chunk) and len(chunk) < _ERROR_BYTES:
            more = await response.content.readany()
            if not more:
                break
            chunk += more
        return chunk

    async def _refused(self, response: aiohttp.ClientResponse) -> None:
        """The engine's own refusal: the caller's fault, or this replica's."""
        status = response.status
        body = await response.content.read(_ERROR_BYTES)
        if status == 404 and self.ask.adapter:
            self._core.fleet.lost(self.replica, self.ask.adapter)
        raise LegFailedError.refused(status, body)

    def _check_start(self) -> None:
        """A stream that begins with an error, or an answer of another version, is none."""
        event = BOUNDARY.split(self.chunk, 1)[0] if self.ask.stream else b"data:" + self.chunk
        if event.startswith(b":"):
            return  # a comment, to keep the connection alive
        document = self.document = read_event(event)
        if document is None or "choices" not in document:
            raise LegFailedError("its answer is no completion", status=502, body=self.chunk[:1024])
        if self.ask.adapter and document.get("model") != self.ask.adapter:
            raise LegFailedError(f"it answered as {document.get('model')!r}", status=502)

    def _fail(self, error: LegFailedError) -> LegFailedError:
        """Close it and count it: against the replica, unless it was overloaded or not at fault."""
        self.end(
            ok=False, status=error.status or 502, blame=not error.final and error.status != 429
        )
        if error.down:
            self._core.fleet.probed(self.replica, False)
            self._core.probes.suspect(self.replica)
        return error

    def late(self, now: float) -> None:
        """The watch found it overdue."""
        if self.stage is Stage.FIRST_BYTE:
            self._late_to_begin(now)
        elif self.stage is Stage.ENGINE:
            self.stop(f"nothing came for {self._core.idle_timeout_s:g} s")
        else:
            self.stop(SLOW_CLIENT)

    def _late_to_begin(self, now: float) -> None:
        waited_s, times = now - self.sent_at, self.times
        if waited_s >= times.give_up_s:
            return self.stop(f"no first byte within {times.give_up_s:g} s")
        if waited_s >= times.overdue_s:
            if self._is_stuck():
                return self.stop("its replica is silent")
            self._core.probes.suspect(self.replica)
            self.times = times = times._replace(overdue_s=waited_s + RECHECK_S)
        if waited_s >= times.hedge_s:
            self.times = times._replace(hedge_s=math.inf)
            self._core.hedge(self)
        self._plan()

    def _plan(self) -> None:
        """When to look at it next."""
        times = self.times
        self.due = self.sent_at + min(times.hedge_s, times.overdue_s, times.give_up_s)

    def _is_stuck(self) -> bool:
        """Nothing at all came from the replica since, and there are others."""
        return self.replica.byte_at < self.sent_at and self._may_move()

    def _may_move(self) -> bool:
        others = self._core.fleet.others_than
        return not self.is_last and others(self.replica, self.tier, self.excluded)

    def leave(self) -> None:
        """Its replica is down: move, if it has no byte yet and there are others."""
        if self.stage is Stage.FIRST_BYTE and self._may_move():
            self.stop("its replica is down")

    def stop(self, why: str) -> None:
        """End it from outside; `why` tells it from a client that went away."""
        if not self._ended and self.task is not None and not self.why:
            self.why = why
            self.task.cancel()

    def end(
        self,
        *,
        ok: bool,
        status: int,
        tokens_in: int = 0,
        tokens_out: int = 0,
        blame: bool = True,
    ) -> None:
        """It counts no more; twice is once."""
        if self._ended:
            return
        self._ended = True
        core, replica = self._core, self.replica
        core.watch.discard(self)
        if self.response is not None and not (ok and self.response.content.at_eof()):
            self.response.close()
        replica.end(self.model)
        if self._holds_slot:
            replica.gate.leave()
        now = time.monotonic()
        core.observe(
            events.Ended(now, self.ask.request_id, replica.url, tokens_out, tokens_in, ok, status)
        )
        if ok:
            core.fleet.succeeded(replica)
        elif status != GONE and blame:
            core.fleet.failed(replica)
