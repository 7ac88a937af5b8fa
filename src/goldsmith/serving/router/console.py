"""What the console shows: the page itself, and the state that its caller may see."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from goldsmith.serving.router.credentials import Caller

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

PAGE = files("goldsmith.serving.router") / "console.html"


def page() -> bytes:
    """The HTML."""
    return PAGE.read_bytes()


def console_state(core: Core, caller: Caller) -> dict[str, Any]:
    """Tiers, budget and the caller's own last requests, without addresses or texts."""
    return {
        "tiers": {tier: _tier(core, tier) for tier in core.fleet.tiers},
        "budget": _budget(core, caller),
        "waiting": len(core.admission.waiters),
        "decisions": [
            {
                "at": each.at,
                "request_id": each.request_id,
                "tier": each.decision.tier,
                "reason": each.decision.reason,
                "predicted_ttft_ms": each.decision.predicted_ttft_ms,
                "ttft_ms": each.ttft_s * 1e3,
                "price_usd": each.price_usd,
                "status": each.status,
            }
            for each in core.recent
            if each.tenant == caller.tenant
        ],
    }


def _tier(core: Core, tier: str) -> dict[str, Any]:
    settings = core.config.tiers[tier]  # type: ignore[index]  # a tier's name
    return {
        "slo_ttft_ms": settings.slo_ttft_ms,
        "price_in": settings.price_in,
        "price_out": settings.price_out,
        "adapters": {
            adapter: {"name": flip.name, "epoch": flip.epoch}
            for adapter, flip in core.aliases.of(tier).items()
        },
        "replicas": [
            {
                "name": f"{tier}-{number}",
                "healthy": replica.healthy,
                "weight": replica.weight,
                "in_flight": replica.in_flight,
                "slots": replica.gate.slots,
                "adapters": list(replica.ready),
            }
            for number, replica in enumerate(core.fleet.of(tier))
        ],
    }


def _budget(core: Core, caller: Caller) -> dict[str, Any]:
    own = core.credentials.tenants.get(caller.tenant)
    return {
        "usd_per_hour": core.settings.budget_usd_per_hour,
        "spent_usd": core.spent_this_hour_usd,
        "tenant": caller.tenant,
        "tenant_usd_per_day": own.usd_per_day if own else 0.0,
        "tenant_spent_usd": own.spent_usd if own else 0.0,
    }
