"""Which tasks RLVR takes: those that the model solves sometimes, by n episodes of each."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from goldsmith.config.run import RLVRConfig
from goldsmith.data.readiness import Readiness, readiness
from goldsmith.errors import ConflictError, NotFoundError
from goldsmith.observability.progress import Progress
from goldsmith.rollouts.episodes import Opening, play_batches
from goldsmith.rollouts.policy import load_policy
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore
from goldsmith.tasks.domain import Domain
from goldsmith.training.job import TrainingJob

log = logging.getLogger(__name__)


def sort_tasks(
    store: ObjectStore,
    job: TrainingJob,
    config: RLVRConfig,
    domain: Domain,
    openings: Sequence[Opening],
    model: Path,
) -> list[Opening]:
    """The openings that are RLVR's; all of them if none is, since something must be tried.

    Every rank plays a share; the result is kept as `runs/<run_id>/readiness.json`.
    """
    chosen = openings[:: max(1, len(openings) // config.readiness_tasks)]
    key = run_key(job.run.run_id, "readiness.json")
    try:
        known = unseal(store.get(key), key=key)
        ready = {row["task_id"] for row in known["tasks"] if row["stage"] == "rlvr"}
    except NotFoundError:
        found = _measure(job, config, domain, chosen, model)
        ready = set(found.task_ids("rlvr"))
        log.info("Readiness by level: %s", json.dumps(found.counts()))
        with contextlib.suppress(ConflictError):  # another rank or attempt wrote the same
            store.create(key, seal({**found.to_json(), "run_id": job.run.run_id}))
    selected = [opening for opening in chosen if opening.task.task_id in ready]
    if not selected:
        log.warning("No task is solved sometimes: RLVR will find few usable groups")
    return selected or list(chosen)


def _measure(
    job: TrainingJob, config: RLVRConfig, domain: Domain, chosen: Sequence[Opening], model: Path
) -> Readiness:
    from accelerate import PartialState
    from accelerate.utils import gather_object

    state = PartialState()
    policy, progress = load_policy(model), Progress("train_rlvr")
    mine = chosen[state.process_index :: state.num_processes]
    wins: list[tuple[str, list[bool]]] = []
    for batch in play_batches(
        policy,
        domain,
        mine,
        samples=config.readiness_samples,
        temperature=config.temperature,
        max_new_tokens=config.max_new_tokens,
        max_turns=config.max_turns,
        seed=job.run.seed + state.process_index,
    ):
        wins += [(group[0].task.task_id, [e.solved for e in group]) for group in batch]
        if state.is_main_process:
            text = f"readiness {len(wins)}/{len(mine)} tasks"
            progress.update(0, config.updates, text=text)
    levels = {opening.task.task_id: opening.task.level for opening in chosen}
    return readiness(dict(gather_object(wins)), levels=levels)
