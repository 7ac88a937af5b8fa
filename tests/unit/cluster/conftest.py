"""A served fake of the Kubernetes API, a store, and a training job."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldsmith.config.run import RunContext
from goldsmith.training.job import TrainingJob
from tests.fixtures.kubernetes import kube_fixture  # noqa: F401  # a fixture


def training_job(store: str, *, tier: str = "gold", processes: int = 2) -> TrainingJob:
    run = RunContext(run_id="first", domain="cooking", tier=tier, seed=0, store=store)
    return TrainingJob(
        run=run,
        stage="train_srl",
        config={"processes": processes},
        dataset="datasets/d",
        model="models/gold/base",
    )


@pytest.fixture(name="job")
def _job(tmp_path: Path) -> TrainingJob:
    return training_job(str(tmp_path / "store"))
