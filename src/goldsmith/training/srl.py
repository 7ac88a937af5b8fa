"""Stage 1, SRL: GRPO on single expert steps with dense rewards (arXiv 2510.25992).

    for each update:
        take P expert steps; the student sees everything before the step
        G completions each: a monologue, then one action
        reward = how close the action is to the expert's        (rewards/srl.py)
        groups whose rewards do not vary are replaced by others (groups.py)
        A = (r - group mean) / batch std                         (`paper`: group std)
        clipped surrogate, token mean, over monologue and action

Departures from the paper, all in mode `ours`: the reward knows slots and progress, since text
similarity rates the wrong appliance 0.94; the normaliser is the batch's; a KL controller is a
switch; the last step of a trajectory is a target too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldsmith.config.run import RunContext, SRLConfig
from goldsmith.data.datasets import load_trajectories
from goldsmith.registry import models
from goldsmith.store.directories import digest_directory
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once
from goldsmith.tasks.registry import find_domain
from goldsmith.training.job import TrainingJob
from goldsmith.training.launcher import launcher

if TYPE_CHECKING:
    from goldsmith.training.step_source import StepSource  # imports torch: 5 s that only ranks need


def train_srl(run: RunContext, config: SRLConfig, *, dataset: str) -> str:
    """Teach the tier's live model (or `config.model`) the steps of a data set; the model ref."""
    digest = _local_digest(config.model)

    def work() -> dict[str, Any]:
        store = open_store(run.store)
        start = config.model or models.prefix(run.tier, models.live(store, run.tier))
        job = TrainingJob(
            run=run,
            stage="train_srl",
            config=config.model_dump(mode="json"),
            dataset=dataset,
            model=start,
            model_digest=digest,
        )
        return {"model": launcher().launch(job), "started_from": start}

    inputs = {"config": config.model_dump(mode="json"), "dataset": dataset, "model": digest}
    return str(once(run, "train_srl", inputs, work)["model"])


def _local_digest(model: str) -> str:
    """Of the files of a local model; empty for one in the store, whose name stands for its bytes.

    So a folder that was changed meanwhile is not taken for the one that the step began with.
    """
    return digest_directory(Path(model)) if model and not models.is_reference(model) else ""


def srl_source(store: ObjectStore, job: TrainingJob, config: SRLConfig) -> StepSource:
    """The groups of an SRL job: every step of every accepted trajectory."""
    from goldsmith.training.step_source import StepSource, step_instances

    trajectories = load_trajectories(store, job.dataset)
    return StepSource(find_domain(job.run.domain), step_instances(trajectories), config)
