"""The choice among assessed tiers: least cost, the declared degradation, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith.serving.routing.decision import Assessment
from goldsmith.serving.routing.tier import HARD, QUALITY

REFUSALS = (
    "overloaded",
    "no_healthy_endpoint",
    "max_cost",
    "context_exceeded",
    "unknown_adapter",
    "unknown_tier",
)
"""Where tiers refuse for different reasons the first of these is said: what may pass by itself."""


def possible(assessment: Assessment) -> bool:
    """Whether the tier can take the request at all."""
    return not assessment.misses or assessment.misses[0] not in HARD


def choose(
    assessments: Sequence[Assessment],
    *,
    budget_price: float,
    own_floor: bool,
    own_slo: bool,
    order: tuple[str, ...],
) -> tuple[int, str]:
    """Place of the chosen tier, and the reason; -1 and the refusal where none can take it.

    While the budget has a price, a floor that the request did not set itself may be missed at
    a price too: shortfall * dearest tier * (1 + 1/price), which no saving pays at price 0.
    """
    usable = [place for place, found in enumerate(assessments) if possible(found)]
    if not usable:
        return -1, refusal(assessments)
    waive = 0.0
    if budget_price > 0.0 and not own_floor:
        dearest = max(assessments[place].price_usd for place in usable)
        waive = dearest * (1.0 + 1.0 / budget_price) * (1.0 + budget_price)

    def score(place: int) -> tuple[float, float]:
        found = assessments[place]
        shortfall = max(0.0, found.floor - found.quality)
        return found.cost + waive * shortfall, -found.quality

    if any(not assessments[place].misses for place in usable):
        kept = [
            place
            for place in usable
            if not assessments[place].misses or (waive and assessments[place].misses == QUALITY)
        ]
        best = min(kept, key=score)
        return best, "budget" if assessments[best].misses else "cheapest"
    group = _kept_most(assessments, usable, floor_first=own_floor and not own_slo)
    if waive:
        best = min(group, key=score)
    else:
        best = min(group, key=lambda place: _rank(assessments[place], order))
    return best, degradation(assessments[best])


def _kept_most(
    assessments: Sequence[Assessment], usable: list[int], *, floor_first: bool
) -> list[int]:
    """Tiers that keep the SLO, else the floor; the other way where only the floor was asked for."""
    keeps = [
        [place for place in usable if kept not in assessments[place].misses]
        for kept in (("quality", "slo") if floor_first else ("slo", "quality"))
    ]
    return keeps[0] or keeps[1] or usable


def _rank(assessment: Assessment, order: tuple[str, ...]) -> tuple[float, int]:
    """By the declared order; tiers whose queue alone breaks the SLO last, the least late first."""
    late = 0.0
    if "queue" in assessment.misses:
        late = assessment.predicted_ttft_ms / assessment.slo_ttft_ms
    place = order.index(assessment.tier) if assessment.tier in order else len(order)
    return late, place


def degradation(assessment: Assessment) -> str:
    """Which condition a chosen tier misses."""
    slo, quality = "slo" in assessment.misses, "quality" in assessment.misses
    if slo and quality:
        return "degraded_both"
    return "degraded_slo" if slo else "degraded_quality"


def refusal(assessments: Sequence[Assessment]) -> str:
    """Why no tier can take a request."""
    reasons = {found.misses[0] for found in assessments}
    return next((reason for reason in REFUSALS if reason in reasons), "unknown_tier")


def explorable(
    assessments: Sequence[Assessment], chosen: int, *, own_floor: bool, bold: bool
) -> int | None:
    """The tier to try instead: it meets all but perhaps a learned floor, and is known the least.

    It may be good enough if `bold`, and is likelier so than not otherwise. Tiers that cost less go
    first: only they can save money once they are known.
    """
    places = [
        place
        for place, found in enumerate(assessments)
        if place != chosen
        and (not found.misses or (found.misses == QUALITY and not own_floor))
        and found.floor <= (found.quality_upper if bold else _middle(found))
    ]
    if not places:
        return None
    price = assessments[chosen].price_usd
    return max(
        places,
        key=lambda place: (
            assessments[place].price_usd < price,
            assessments[place].quality_upper - assessments[place].quality,
        ),
    )


def _middle(found: Assessment) -> float:
    return 0.5 * (found.quality + found.quality_upper)
