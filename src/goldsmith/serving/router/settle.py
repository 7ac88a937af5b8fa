"""The end of a request: what it cost, what is counted, what is traced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from goldsmith.serving.router.ask import Ask
from goldsmith.serving.router.leg import Leg
from goldsmith.serving.router.limits import NOTHING, Amount
from goldsmith.serving.routing.decision import Decision

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core


class Usage(NamedTuple):
    """Tokens that the engine counted."""

    tokens_in: int
    tokens_out: int


class Finished(NamedTuple):
    """How a request went, without its texts."""

    request_id: str
    tenant: str
    decision: Decision
    status: int
    price_usd: float
    ttft_s: float
    at: float
    """Epoch."""


def read_usage(usage: object, *, ask: Ask, fallback_out: int) -> Usage:
    """The engine's figures, or ours where it gives none."""
    if isinstance(usage, dict):
        tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(tokens_in, int) and isinstance(tokens_out, int):
            return Usage(tokens_in, tokens_out)
    return Usage(ask.tokens_in, fallback_out)


def settle(core: Core, ask: Ask, leg: Leg, usage: Usage, *, ok: bool, status: int) -> float:
    """End the leg and book the request; its price."""
    leg.end(ok=ok, status=status, tokens_in=usage.tokens_in, tokens_out=usage.tokens_out)
    tier, metrics = leg.tier, core.metrics
    price_usd = core.price_usd(tier, usage.tokens_in, usage.tokens_out)
    refund(ask, Amount(usage.tokens_in + usage.tokens_out, price_usd))
    ttft_s = leg.byte_at - ask.started
    metrics.requests[tier, status] += 1
    metrics.tokens[tier, "in"] += usage.tokens_in
    metrics.tokens[tier, "out"] += usage.tokens_out
    metrics.cost_usd[tier] += price_usd
    core.spend(price_usd)
    metrics.reasons[leg.decision.reason] += 1
    metrics.ttft[tier].observe(ttft_s)
    if ask.stream and ttft_s * 1e3 > (ask.hints.slo_ttft_ms or core.slo_ms[tier]):
        metrics.slo_missed += 1
    if ok:
        core.reader.learn(ask, usage.tokens_in)
        if not ask.stream:
            seconds = leg.byte_at - leg.sent_at
            core.patience.learn(tier, seconds, usage.tokens_out)
    core.recent.append(
        Finished(
            ask.request_id,
            ask.caller.tenant,
            leg.decision,
            status,
            price_usd,
            ttft_s,
            time.time(),
        )
    )
    return price_usd


class Result(NamedTuple):
    """A whole answer and what it cost."""

    leg: Leg
    document: dict[str, Any]
    usage: Usage
    price_usd: float

    @property
    def text(self) -> str:
        """What the model said."""
        return text_of_document(self.document)


def finish(core: Core, ask: Ask, leg: Leg) -> Result:
    """Settle and trace a whole answer, which has arrived."""
    document = leg.document or {}
    usage = read_usage(document.get("usage"), ask=ask, fallback_out=0)
    price_usd = settle(core, ask, leg, usage, ok=True, status=200)
    result = Result(leg, document, usage, price_usd)
    if wants_trace(core, ask):
        trace(core, ask, leg, usage, answer=result.text, status=200)
    return result


def text_of_document(document: dict[str, Any]) -> str:
    """The answer's text in a whole completion."""
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    message = choice.get("message") or {}
    return str(message.get("content") or choice.get("text") or "")


def refund(ask: Ask, used: Amount = NOTHING) -> None:
    """Give back what was reserved and not used."""
    for allowance in ask.caller.allowances:
        allowance.settle(ask.reserved, used)
    ask.reserved = NOTHING


def trace(core: Core, ask: Ask, leg: Leg, usage: Usage, *, answer: str, status: int) -> None:
    """Offer the request to the trace collector."""
    sender = core.sender
    if sender is None:
        return
    sender.offer(
        {
            "request_id": ask.request_id,
            "at": time.time(),
            "tenant": ask.caller.tenant,
            "tier": leg.tier,
            "version": leg.version,
            "adapter": ask.adapter,
            "prompt": ask.prompt,
            "answer": answer,
            "decision": decision_fields(leg),
            "verdict": None,
            "consent": False,
            "status": status,
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
        }
    )


def decision_fields(leg: Leg) -> dict[str, Any]:
    """What a trace keeps of the decision."""
    decision = leg.decision
    return {
        "reason": decision.reason,
        "predicted_ttft_ms": decision.predicted_ttft_ms,
        "price_usd": decision.price_usd,
        "quality": decision.quality,
        "degraded": decision.degraded,
        "ttft_ms": (leg.byte_at - leg.ask.started) * 1e3,
    }


def wants_trace(core: Core, ask: Ask) -> bool:
    """Whether a trace would be taken."""
    return core.sender is not None and core.sender.wants(ask.caller.tenant, ask.request_id)
