"""What happens around an update: metrics, progress, checkpoints, the KL controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from goldsmith.observability.metrics import MetricsWriter, read_metrics
from goldsmith.observability.progress import Progress
from goldsmith.training.checkpoints import Checkpoints

SHOWN = ("reward", "groups/usable", "entropy")


class MetricsCallback(TrainerCallback):
    """One row an update in `metrics.jsonl`, one progress line; rank 0 only."""

    def __init__(self, path: Path, stage: str) -> None:
        self.path, self.progress = path, Progress(stage)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After a resume, forget the rows of updates that will be done again."""
        if not state.is_world_process_zero:
            return
        rows = [row for row in read_metrics(self.path) if row["step"] <= state.global_step]
        self.path.unlink(missing_ok=True)
        self.writer = MetricsWriter(self.path)
        for row in rows:
            self.writer.write(row)
        self.progress.update(state.global_step, state.max_steps, text="training begins")

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """Write what the trainer logs."""
        if not state.is_world_process_zero or "reward" not in logs:
            return
        self.writer.write({"step": state.global_step, **logs})
        shown = {name: round(logs[name], 3) for name in SHOWN if name in logs}
        text = " ".join(f"{name} {value}" for name, value in shown.items())
        self.progress.update(state.global_step, state.max_steps, text=text, metrics=shown)


class CommitCallback(TrainerCallback):
    """After transformers has saved a checkpoint on every rank, rank 0 commits it."""

    def __init__(self, checkpoints: Checkpoints, metrics: Path) -> None:
        self.checkpoints, self.metrics = checkpoints, metrics

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Commit `checkpoint-<step>`."""
        directory = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        random_states = _gather_random_states(directory)
        if state.is_world_process_zero:
            for name, data in random_states:
                (directory / name).write_bytes(data)
            (directory / "metrics.jsonl").write_bytes(self.metrics.read_bytes())
            self.checkpoints.commit(state.global_step, directory)


def _gather_random_states(directory: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of every rank's random state, which each saves on its own machine only."""
    from accelerate import PartialState
    from accelerate.utils import gather_object

    own = directory / f"rng_state_{PartialState().process_index}.pth"
    states: list[tuple[str, bytes]] = gather_object(
        [(own.name, own.read_bytes())] if own.exists() else []  # one process: `rng_state.pth`
    )
    return states


class AdaptiveKL(TrainerCallback):
    """Move the trainer's `beta` so that the logged KL stays at a target.

    e = clip(KL/target - 1, -0.2, 0.2); beta <- clamp(beta * (1 + 0.1 e), 1e-4, 1): the proportional
    controller of Ziegler et al. (arXiv 1909.08593), with bounds on beta.
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self.trainer: Any = None
        """Set once the trainer exists; TRL reads its `beta` at every loss."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After a resume, the coefficient is where the last logged row left it."""
        betas = [row["kl_beta"] for row in state.log_history if "kl_beta" in row]
        if betas:
            self.trainer.beta = betas[-1]

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """One controller step for each update; also logs the coefficient."""
        if "kl" in logs:
            self.trainer.beta = next_beta(self.trainer.beta, logs["kl"], self.target)
            logs["kl_beta"] = state.log_history[-1]["kl_beta"] = self.trainer.beta


def next_beta(beta: float, kl: float, target: float) -> float:
    """The KL coefficient after one observation of KL in nats a token."""
    error = min(max(kl / target - 1, -0.2), 0.2)
    return min(max(beta * (1 + 0.1 * error), 1e-4), 1.0)
