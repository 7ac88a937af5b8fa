"""`roll_out`: make a promoted version live, and write down what was decided and why.

`promotions/<id>.json` goes from lineage to verdict to what was done (promote, hold or reject). The
alias moves only if what the candidate was judged against is still live.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from goldsmith.config.run import RollOutConfig, RunContext
from goldsmith.errors import ConflictError
from goldsmith.registry import models
from goldsmith.registry.aliases import Alias, read_alias
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once, read_step

log = logging.getLogger(__name__)


def roll_out(run: RunContext, config: RollOutConfig, *, version: str, verdict: str) -> str:
    """Move the tier's alias if the verdict is `promote`; the version that is live afterwards.

    ConflictError says who was first if another promotion won the race.
    """

    def work() -> dict[str, Any]:
        store = open_store(run.store)
        if verdict == "promote" and config.enabled and version:
            action, alias = "promote", _promote(store, run, version)
        else:
            action = "reject" if verdict == "reject" else "hold"
            alias = read_alias(store, run.tier)[0]
        facts = {"version": version, "verdict": verdict, "action": action}
        _write_down(store, run, {**facts, **_circumstances(store, run, version, alias)})
        log.info("Tier %s: %s %s, %s is live", run.tier, action, version, alias.live)
        return {"live": alias.live, "promotion_id": promotion_id(run), "action": action}

    inputs = {"config": config, "version": version, "verdict": verdict}
    return str(once(run, "roll_out", inputs, work)["live"])


def promotion_id(run: RunContext) -> str:
    """The name of a run's promotion."""
    return f"{run.run_id}-{run.tier}"


def promotion_key(name: str) -> str:
    """Where the record of a promotion is kept."""
    return f"promotions/{name}.json"


def read_promotion(store: ObjectStore, name: str) -> dict[str, Any]:
    """The record of a promotion; NotFoundError if there is none."""
    key = promotion_key(name)
    return unseal(store.get(key), key=f"{store.url}/{key}")


def _promote(store: ObjectStore, run: RunContext, version: str) -> Alias:
    registered = read_step(store, run.run_id, "register") or {}
    judged_against = str(registered.get("outputs", {}).get("judged_against", ""))
    return models.promote(
        store, run.tier, version, cause=promotion_id(run), judged_against=judged_against
    )


def _circumstances(
    store: ObjectStore, run: RunContext, version: str, alias: Alias
) -> dict[str, Any]:
    """Where the version comes from, what the gate said, and the alias afterwards."""
    manifest = models.show(store, run.tier, version) if version else {}
    return {
        "run_id": run.run_id,
        "tier": run.tier,
        "lineage": manifest.get("lineage", {}),
        "gate": manifest.get("gate", {}),
        "live": alias.live,
        "previous": list(alias.previous),
        "epoch": alias.epoch,
    }


def _write_down(store: ObjectStore, run: RunContext, facts: Mapping[str, Any]) -> None:
    """Create the record; what a killed attempt of this step wrote stays, and must agree."""
    name = promotion_id(run)
    document = {"kind": "promotion", "promotion_id": name, **facts}
    try:
        store.create(promotion_key(name), seal(document))
    except ConflictError:
        known = read_promotion(store, name)
        if any(known[name] != facts[name] for name in ("version", "verdict", "action")):
            raise
        log.info("Promotion %s is written down already", name)
