"""The step `evaluate`: both models on the same games, into `runs/<run_id>/scores.json`."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from goldsmith.config.run import EvaluateConfig, RunContext
from goldsmith.errors import ConflictError
from goldsmith.evaluation.benchmarks import metrics
from goldsmith.evaluation.scores import SIDES, Scores
from goldsmith.evaluation.shares import play_shares
from goldsmith.registry import models
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import open_store
from goldsmith.store.steps import once

logger = logging.getLogger(__name__)


def evaluate(run: RunContext, config: EvaluateConfig, *, model: str) -> str:
    """Score `model` and the tier's live model on the same games; the store key of the scores."""

    def work() -> dict[str, Any]:
        store = open_store(run.store)
        version = models.live(store, run.tier)
        live = models.prefix(run.tier, version)
        with tempfile.TemporaryDirectory() as scratch:
            directories = {side: Path(scratch) / side for side in SIDES}
            for side, reference in zip(SIDES, (model, live), strict=True):
                models.fetch(store, reference, directories[side])
            suites = play_shares(run.domain, config, directories, seed=run.seed)
        scores = Scores(
            candidate=model,
            live=live,
            live_version=version,
            temperature=config.temperature,
            suites=suites,
        )
        key = run_key(run.run_id, "scores.json")
        measured = {"kind": "scores", "run_id": run.run_id, "metrics": metrics(scores)}
        try:
            store.create(key, seal({**measured, **scores.model_dump(mode="json")}))
        except ConflictError:
            logger.warning("%s is from an attempt against another live model and stays", key)
        return {"scores": key}

    inputs = {"config": config.model_dump(mode="json"), "model": model}
    return str(once(run, "evaluate", inputs, work)["scores"])
