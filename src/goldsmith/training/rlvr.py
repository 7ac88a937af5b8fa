"""Stage 2, RLVR: GRPO on whole episodes; reward 1 only if the verifier says it is solved.

    readiness: n episodes of each task; never solved -> SRL's, always -> retired, else -> RLVR's
    for each update:
        take P tasks that are RLVR's, G episodes each, observations masked
        reward = 1 if solved, else 0; groups all 0 or all 1 are replaced
        A = (r - group mean) / batch std; clipped surrogate (0.2 / 0.28), token mean

Plain RLVR has no gradient where the student never wins; that is what SRL is for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldsmith.config.run import RLVRConfig, RunContext
from goldsmith.data.datasets import load_trajectories
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.steps import once
from goldsmith.tasks.registry import find_domain
from goldsmith.tasks.verification import VerifierPool
from goldsmith.training.job import TrainingJob
from goldsmith.training.launcher import launcher

if TYPE_CHECKING:
    from goldsmith.training.episode_source import EpisodeSource  # imports torch, as in srl.py


def train_rlvr(run: RunContext, config: RLVRConfig, *, dataset: str, model: str) -> str:
    """Train `model` on the outcomes of whole episodes; the model ref."""

    def work() -> dict[str, Any]:
        job = TrainingJob(
            run=run,
            stage="train_rlvr",
            config=config.model_dump(mode="json"),
            dataset=dataset,
            model=model,
        )
        return {"model": launcher().launch(job)}

    inputs = {"config": config.model_dump(mode="json"), "dataset": dataset, "model": model}
    return str(once(run, "train_rlvr", inputs, work)["model"])


def rlvr_source(
    store: ObjectStore, job: TrainingJob, config: RLVRConfig, model: Path, scratch: Path
) -> EpisodeSource:
    """The groups of an RLVR job: the tasks that the model solves sometimes."""
    from goldsmith.rollouts.episodes import Opening
    from goldsmith.training.episode_source import EpisodeSource
    from goldsmith.training.readiness import sort_tasks

    domain = find_domain(job.run.domain)
    openings = [
        Opening(t.task, t.transcript.opening_only()) for t in load_trajectories(store, job.dataset)
    ]
    chosen = sort_tasks(store, job, config, domain, openings, model)
    return EpisodeSource(domain, chosen, config, VerifierPool())
