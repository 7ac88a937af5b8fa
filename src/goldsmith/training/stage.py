"""One training stage from its job document to a committed model; runs on every rank.

Set up, resume, train, save: the algorithm is in the stage's `GroupSource` and in `trl_adapter`.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldsmith.config.run import RLVRConfig, SRLConfig
from goldsmith.errors import ArtefactError, ConflictError, TrainingError
from goldsmith.registry import models
from goldsmith.registry.intake import check_artefact
from goldsmith.store.directories import commit_directory
from goldsmith.store.layout import metrics_key
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.training.checkpoints import Checkpoints
from goldsmith.training.job import TrainingJob
from goldsmith.training.trl_adapter import GroupSource, GroupTrainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workspace:
    """Where one rank works."""

    job: TrainingJob
    store: ObjectStore
    scratch: Path

    @property
    def metrics(self) -> Path:
        """metrics.jsonl of the stage."""
        return self.scratch / "metrics.jsonl"


def run_stage(job: TrainingJob, scratch: Path) -> None:
    """Train `job` on this rank; rank 0 commits `job.output`."""
    import torch
    from accelerate import PartialState

    # Whoever asks first decides: without a GPU and without `cpu`, every rank believes to be alone.
    PartialState(cpu=not torch.cuda.is_available())
    work = Workspace(job, open_store(job.run.store), scratch)
    with PartialState().local_main_process_first():
        model = _fetch_model(work)
    config, source = _source(work, model)
    trainer = _trainer(work, model, source, config)
    resume = None
    with PartialState().local_main_process_first():
        resume = _restore(work)
    log.info("Training %s for %d updates", job.name, config.updates)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if trainer.state.global_step < config.updates:
        raise TrainingError(f"{job.name} stopped at update {trainer.state.global_step}")
    if trainer.is_world_process_zero():
        _commit(work, trainer, model)
    PartialState().wait_for_everyone()


def _fetch_model(work: Workspace) -> Path:
    """The model to start from, checked before anything loads it."""
    rank = os.environ.get("RANK", "0")  # each rank its own copy: no state to wait on yet
    target = work.scratch / f"model-{rank}"
    local = Path(work.job.model)
    if not models.is_reference(work.job.model):
        if not local.is_dir():
            raise ArtefactError(
                f"model {work.job.model} is not a folder",
                fix="give a folder with config.json, tokenizer and model.safetensors",
            )
        check_artefact(local)
        return local
    if not target.exists():
        partial = work.scratch / f"model-{rank}.partial"
        models.fetch(work.store, work.job.model, partial)
        partial.rename(target)
    return target


def _source(work: Workspace, model: Path) -> tuple[SRLConfig | RLVRConfig, GroupSource]:
    """The stage's configuration and where its groups come from."""
    if work.job.stage == "train_srl":
        from goldsmith.training.srl import srl_source

        srl = SRLConfig.model_validate(work.job.config)
        return srl, srl_source(work.store, work.job, srl)
    from goldsmith.training.rlvr import rlvr_source

    rlvr = RLVRConfig.model_validate(work.job.config)
    return rlvr, rlvr_source(work.store, work.job, rlvr, model, work.scratch)


def _trainer(
    work: Workspace, model: Path, source: GroupSource, config: SRLConfig | RLVRConfig
) -> GroupTrainer:
    from transformers import AutoTokenizer, PrinterCallback

    from goldsmith.training.callbacks import AdaptiveKL, CommitCallback, MetricsCallback

    job = work.job
    checkpoints = Checkpoints(work.store, job.run.run_id, job.stage, spec_digest=job.digest)
    callbacks: list[Any] = [MetricsCallback(work.metrics, job.stage)]
    controller = AdaptiveKL(config.kl_target) if config.kl_target else None
    if controller:
        callbacks.insert(0, controller)
    trainer = GroupTrainer(
        str(model),
        source,
        _arguments(work, config),
        tokenizer=AutoTokenizer.from_pretrained(model, local_files_only=True),
        filter_epsilon=config.filter_epsilon,
        refill_rounds=config.refill_rounds,
        peft_config=_lora(config.lora_rank),
        callbacks=[*callbacks, CommitCallback(checkpoints, work.metrics)],
    )
    trainer.remove_callback(PrinterCallback)  # metrics.jsonl has its rows
    if controller:
        controller.trainer = trainer
    return trainer


def _arguments(work: Workspace, config: SRLConfig | RLVRConfig) -> Any:
    """TRL's arguments: one generation batch an update, so every save is on its boundary."""
    import torch
    from accelerate import PartialState
    from trl import GRPOConfig

    ranks = PartialState().num_processes
    if config.prompts_per_update % ranks:
        raise TrainingError(
            f"{config.prompts_per_update} prompts an update do not divide among {ranks} processes",
            fix=f"set prompts_per_update to a multiple of {ranks}",
        )
    paper = isinstance(config, SRLConfig) and config.mode == "paper"
    return GRPOConfig(
        output_dir=str(work.scratch / "trainer"),
        max_steps=config.updates,
        per_device_train_batch_size=config.prompts_per_update * config.group_size // ranks,
        num_generations=config.group_size,
        steps_per_generation=1,
        num_iterations=1,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=min(5, config.updates // 4),
        max_grad_norm=1.0,
        temperature=config.temperature,
        max_completion_length=config.max_new_tokens,
        beta=0.01 if config.kl_target else 0.0,
        use_bias_correction_kl=False,
        scale_rewards="group" if paper else "batch",
        epsilon=0.2,
        epsilon_high=0.2 if paper else 0.28,
        loss_type="dapo",
        seed=work.job.run.seed,
        data_seed=work.job.run.seed,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=torch.cuda.is_available(),
        model_init_kwargs={"dtype": "float32", "attn_implementation": "sdpa"},
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        logging_steps=1,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        log_level="warning",
    )


def _lora(rank: int) -> Any:
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _restore(work: Workspace) -> Path | None:
    """The newest valid checkpoint, on this node's disk."""
    target = work.scratch / "restored"
    if not target.exists():
        target.mkdir()
        job = work.job
        found = Checkpoints(work.store, job.run.run_id, job.stage, spec_digest=job.digest).restore(
            target
        )
        if found:
            log.info("Resuming %s from %s", job.name, found.name)
            shutil.copyfile(found / "metrics.jsonl", work.metrics)
    return next(iter(sorted(target.iterdir())), None)


def _commit(work: Workspace, trainer: GroupTrainer, base: Path) -> None:
    """Save model and tokenizer as safetensors and JSON, then the metrics, then commit."""
    job = work.job
    directory = work.scratch / "result"
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.save_pretrained(directory, safe_serialization=True)
    trainer.processing_class.save_pretrained(directory)
    check_artefact(directory)
    metrics = metrics_key(job.run.run_id, job.stage)
    try:
        work.store.upload(metrics, work.metrics)
    except ConflictError:
        log.warning("%s is from an earlier attempt and stays", metrics)
    meta = {"stage": job.stage, "job": job.model_dump(mode="json", exclude={"run": {"store"}})}
    commit_directory(work.store, job.output, directory, kind="model", meta=meta)
