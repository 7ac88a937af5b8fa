"""What one training job is told: the same document for every launcher back end."""

from __future__ import annotations

from typing import Any, Literal

from goldsmith.config.run import RunContext, Section
from goldsmith.store.manifest import digest_of

Stage = Literal["train_srl", "train_rlvr"]


class TrainingJob(Section):
    """One stage's work; everything it names is in the store, so that it can run anywhere."""

    run: RunContext
    stage: Stage
    config: dict[str, Any]
    """The stage's config section as JSON."""
    dataset: str
    model: str
    """Where it starts from: a store prefix, or a local path from the configuration."""

    @property
    def digest(self) -> str:
        """Of everything that decides the result."""
        return digest_of(self.model_dump(mode="json", exclude={"run": {"store", "profile"}}))

    @property
    def output(self) -> str:
        """Store prefix of the trained model; it exists exactly when the job is done."""
        return f"checkpoints/{self.run.run_id}/{self.stage}/model-{self.digest[:12]}"

    @property
    def name(self) -> str:
        """Deterministic, for launchers that re-attach."""
        return f"{self.run.run_id}-{self.stage.replace('_', '-')}-{self.digest[:8]}"
