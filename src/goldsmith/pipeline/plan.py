"""What a run would create or move, before it does: `goldsmith run --dry-run`."""

from __future__ import annotations

from typing import get_args

from goldsmith.pipeline.runs import STEPS, Run
from goldsmith.promotion.roll_out import promotion_id, promotion_key
from goldsmith.registry import bases, models
from goldsmith.registry.aliases import alias_key
from goldsmith.store.layout import (
    RunDocument,
    Stage,
    attempts_prefix,
    metrics_key,
    run_key,
    stage_prefix,
)
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.steps import step_key


def planned_keys(store: ObjectStore, run: Run) -> list[str]:
    """Every object that the run would create or move; StoreError if the store cannot be read.

    A key that ends in `/` stands for all below it, `<...>` for what only the run will know.
    """
    run_id, tier = run.run_id, run.context.tier
    missing = bases.missing(store)
    return [
        *(f"{models.prefix(base, bases.VERSION)}/" for base in missing),
        *(alias_key(base) for base in missing if base != tier),
        *(run_key(run_id, name) for name in get_args(RunDocument)),
        *(step_key(run_id, step) for step in STEPS),
        f"{attempts_prefix(run_id)}<n>/",
        f"datasets/{run.context.domain}/<digest>/",
        *(stage_prefix(run_id, stage) for stage in get_args(Stage)),
        *(metrics_key(run_id, stage) for stage in get_args(Stage)),
        f"models/{tier}/<version>/",
        alias_key(tier),
        promotion_key(promotion_id(run.context)),
    ]
