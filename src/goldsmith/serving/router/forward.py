"""From an ask to a leg whose first byte is there: decide, send, try elsewhere, hedge.

All of it happens before the first byte goes to the client; after that nothing is sent again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from goldsmith.serving.router.ask import Ask
from goldsmith.serving.router.failures import GONE, HEDGED, LegFailedError, Stage
from goldsmith.serving.router.leg import Leg
from goldsmith.serving.router.refusal import Refusal
from goldsmith.serving.routing.decision import Decision

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

HEDGES_MOST = 10.0
_RETRY_AFTER_S = 1.0
_STATUS = {
    "overloaded": 429,
    "no_healthy_endpoint": 503,
    "budget": 429,
    "max_cost": 400,
    "context_exceeded": 400,
    "unknown_adapter": 503,
    "unknown_tier": 404,
}
_CODES = {"budget": "budget_exhausted", "context_exceeded": "context_length_exceeded"}
_WORDS = {
    "overloaded": "every tier that could answer has too long a queue",
    "no_healthy_endpoint": "no healthy replica can take the request",
    "budget": "the budget of this hour is spent",
    "max_cost": "the answer could cost more than X-Max-Cost allows; raise it or lower max_tokens",
    "context_exceeded": "prompt and answer exceed the context; shorten the prompt or max_tokens",
    "unknown_adapter": "no replica has the adapter loaded yet",
}


class PassedOnError(Refusal):
    """The engine's own refusal of a request, in its own words."""

    def __init__(self, status: int, data: bytes) -> None:
        self._document = _openai_error(data)
        message = str(self._document["error"].get("message", ""))[:300]
        super().__init__(status, "engine_refused", message or "the engine refused the request")

    def document(self) -> dict[str, Any]:
        """As the engine wrote it."""
        return self._document if self._document["error"] else super().document()


async def forward(core: Core, ask: Ask, *, tiers: tuple[str, ...]) -> Leg:
    """A leg whose first byte is there; Refusal where no replica answers."""
    failure: LegFailedError | None = None
    excluded: tuple[str, ...] = ()
    core.hedge_credit = min(HEDGES_MOST, core.hedge_credit + core.settings.hedge_share)
    retries = core.settings.retries
    for attempt in range(retries + 1):
        decision = core.decide(ask, tiers=tiers, excluded=excluded)
        replica = core.fleet.replicas.get(decision.endpoint)
        if replica is None:
            raise _refused(decision, failure)
        leg = Leg(core, ask, decision, replica)
        leg.excluded, leg.is_last = excluded, attempt == retries
        leg.begin()
        try:
            return await _first_of(leg)
        except LegFailedError as error:
            if error.final:
                raise PassedOnError(error.status, error.body) from None
            failure = error
        excluded = (*excluded, replica.url, *((leg.hedge.replica.url,) if leg.hedge else ()))
        core.metrics.retries += 1
    raise _exhausted(failure)


async def _first_of(leg: Leg) -> Leg:
    """The leg or its hedge, whichever answers first; the other one ends."""
    winner: Leg | None = None
    try:
        winner = await _race(leg)
        return winner
    finally:
        if leg.hedge is not None and winner is not leg.hedge:
            _abandon(leg.hedge)


async def _race(leg: Leg) -> Leg:
    try:
        await leg.run()
        return leg
    except LegFailedError:
        if leg.hedge is None or leg.hedge.task is None:
            raise
        if leg.winner is None:
            await asyncio.wait([leg.hedge.task])
        if leg.winner is None:
            raise
        leg.winner.task = asyncio.current_task()
        return leg.winner


def start_hedge(core: Core, leg: Leg) -> None:
    """Send the request to a second replica of the tier, if one is free and few were hedged."""
    if core.hedge_credit < 1.0 or leg.is_hedge:
        return
    excluded = (*leg.excluded, leg.replica.url)
    decision = core.decide(leg.ask, tiers=(leg.tier,), excluded=excluded)
    replica = core.fleet.replicas.get(decision.endpoint)
    if replica is None or replica.gate.busy >= replica.gate.slots:
        return
    core.hedge_credit -= 1.0
    core.metrics.hedges += 1
    hedge = leg.hedge = Leg(core, leg.ask, decision, replica)
    hedge.is_hedge = hedge.is_last = True
    hedge.begin()
    hedge.task = asyncio.get_running_loop().create_task(_run_hedge(leg, hedge), name="hedge")


async def _run_hedge(leg: Leg, hedge: Leg) -> None:
    try:
        await hedge.run()
    except (LegFailedError, Refusal):
        return
    if leg.stage is Stage.FIRST_BYTE and leg.winner is None:
        leg.winner = hedge
        leg.stop(HEDGED)
    else:
        hedge.end(ok=False, status=GONE)


def _abandon(hedge: Leg) -> None:
    """It lost the race, or nobody waits for it."""
    if hedge.task is not None and not hedge.task.done():
        hedge.task.cancel()
    hedge.end(ok=False, status=GONE)


def _refused(decision: Decision, failure: LegFailedError | None) -> Refusal:
    """The brain found no endpoint."""
    if failure is not None:
        return _exhausted(failure)
    reason = decision.reason
    status = _STATUS.get(reason, 503)
    wait_s = decision.retry_after_s or (_RETRY_AFTER_S if status == 503 else 0.0)
    return Refusal(
        status, _CODES.get(reason, reason), _WORDS.get(reason, reason), retry_after_s=wait_s
    )


def _exhausted(failure: LegFailedError | None) -> Refusal:
    """Every replica that was tried failed."""
    why = failure.why if failure else ""
    status = failure.status if failure else 0
    if status == 429:
        what, code = "the engines are busy", "overloaded"
        return Refusal(429, code, what, fix="come back later", retry_after_s=_RETRY_AFTER_S)
    found = 504 if status == 504 else 502
    what = "no replica answered"
    code = "upstream_timeout" if found == 504 else "upstream_failed"
    return Refusal(found, code, what, why=why, retry_after_s=_RETRY_AFTER_S)


def _openai_error(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {"error": {}}
    error = document.get("error") if isinstance(document, dict) else None
    return {"error": error if isinstance(error, dict) else {}}
