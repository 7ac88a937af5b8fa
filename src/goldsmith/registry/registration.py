"""`register`: enter a judged candidate into the registry as a version of its tier."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from goldsmith.config.run import RegisterConfig, RunContext
from goldsmith.errors import NotFoundError
from goldsmith.registry import models
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import unseal
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once, read_step


def register(
    run: RunContext, config: RegisterConfig, *, model: str, verdict: str, scores: str
) -> str:
    """Register the candidate; its version, or empty if it was rejected (or held and not kept)."""

    def work() -> dict[str, Any]:
        store = open_store(run.store)
        judged = _read(store, scores)
        judged_against = str(judged.get("live_version", ""))
        if verdict != "promote" and not (verdict == "hold" and config.keep_held):
            return {"version": "", "judged_against": judged_against}
        with tempfile.TemporaryDirectory() as scratch:
            models.fetch(store, model, Path(scratch))
            version = models.add(
                store,
                Path(scratch),
                tier=run.tier,
                lineage=_lineage(store, run, model=model, scores=scores, parent=judged_against),
                gate=_read(store, run_key(run.run_id, "gate.json")),
            )
        return {"version": version, "judged_against": judged_against}

    inputs = {"config": config, "model": model, "verdict": verdict, "scores": scores}
    return str(once(run, "register", inputs, work)["version"])


def _lineage(
    store: ObjectStore, run: RunContext, *, model: str, scores: str, parent: str
) -> dict[str, Any]:
    """Where the model comes from: run, data set, both training stages, what it was judged by."""
    srl, rlvr = (read_step(store, run.run_id, step) or {} for step in ("train_srl", "train_rlvr"))
    return {
        "run": run.model_dump(mode="json", exclude={"store"}),
        "dataset": (srl or rlvr).get("inputs", {}).get("dataset", ""),
        "srl": srl.get("outputs", {}),
        "rlvr": rlvr.get("outputs", {}),
        "model": model,
        "scores": scores,
        "judged_against": parent,
    }


def _read(store: ObjectStore, key: str) -> dict[str, Any]:
    """A sealed document without its hash; empty if the step that writes it left none."""
    try:
        document = unseal(store.get(key), key=f"{store.url}/{key}")
    except NotFoundError:
        return {}
    return {name: value for name, value in document.items() if name != "sha256"}
