"""A decision in words."""

from __future__ import annotations

from goldsmith.serving.routing.decision import Assessment, Decision

CHOSEN = {
    "explicit": "the request names the tier",
    "cheapest": "it costs least of the tiers that meet every condition",
    "exploration": "it is tried to learn its quality; another tier costs less",
    "budget": "the budget is overdrawn and it loses the least quality for the money it saves",
    "degraded_slo": "no tier meets every condition; its first token is likely late",
    "degraded_quality": "no tier meets every condition; its quality is below the floor",
    "degraded_both": "no tier meets every condition; it is likely late and below the floor",
}
REFUSED = {
    "overloaded": "every tier that could answer has a queue longer than the first-byte timeout",
    "no_healthy_endpoint": "no healthy replica has what the request needs",
    "budget": "the budget of this hour is spent",
    "max_cost": "the longest answer that it allows costs more than it may",
    "context_exceeded": "prompt and answer do not fit any context",
    "unknown_adapter": "no replica has had that adapter",
    "unknown_tier": "no such tier is configured",
}
UNABLE = {
    "overloaded": "its queue is longer than the first-byte timeout",
    "no_healthy_endpoint": "no healthy replica",
    "max_cost": "the longest answer costs more than the request allows",
    "context_exceeded": "prompt and answer exceed its context",
    "unknown_adapter": "no replica has had the adapter",
}


def explain(decision: Decision) -> str:
    """Why a request went where it went: a sentence, then a line a tier."""
    lines = [_outcome(decision)]
    lines += [f"  {found.tier}: {_words(found)}" for found in decision.assessments]
    return "\n".join(lines)


def _outcome(decision: Decision) -> str:
    if not decision.tier:
        again = f"; come back in {decision.retry_after_s:.0f} s" if decision.retry_after_s else ""
        return f"{decision.request_id} was refused: {REFUSED[decision.reason]}{again}"
    why = CHOSEN[decision.reason]
    return f"{decision.request_id} went to {decision.tier} at {decision.endpoint}: {why}"


def _words(found: Assessment) -> str:
    """One tier's figures, and what it misses."""
    if found.misses and found.misses[0] in UNABLE:
        return UNABLE[found.misses[0]]
    return f"{_first_token(found)}, {_quality(found)}, ${found.price_usd:.3g}"


def _first_token(found: Assessment) -> str:
    text = f"p99 of the first token {found.predicted_ttft_ms:.0f} ms"
    if not found.slo_ttft_ms:
        return text
    relation = "over" if "slo" in found.misses else "within"
    queue = ", a queue alone breaks it" if "queue" in found.misses else ""
    return f"{text} ({relation} the SLO of {found.slo_ttft_ms:.0f} ms{queue})"


def _quality(found: Assessment) -> str:
    text = f"quality at least {found.quality:.2f}"
    return f"{text} (below the floor of {found.floor:.2f})" if "quality" in found.misses else text
