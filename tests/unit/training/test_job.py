"""The document of a training job, which its processes read from the store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from goldsmith.config.run import RunContext
from goldsmith.errors import IntegrityError
from goldsmith.training.job import TrainingJob, load_job, save_job


@pytest.fixture(name="job")
def _job(tmp_path: Path) -> TrainingJob:
    run = RunContext(run_id="r", domain="cooking", tier="gold", seed=0, store=str(tmp_path / "s"))
    return TrainingJob(run=run, stage="train_srl", config={"processes": 2}, dataset="d", model="m")


def test_what_is_saved_is_read_back(job: TrainingJob) -> None:
    assert load_job(job.run.store, save_job(job)) == job


def test_saving_again_is_saving_once_though_the_profile_has_another_name(job: TrainingJob) -> None:
    renamed = job.model_copy(update={"run": job.run.model_copy(update={"profile": "other"})})
    assert save_job(job) == save_job(renamed)
    assert load_job(job.run.store, job.key) == job


def test_a_store_that_has_moved_is_the_one_that_the_job_uses(
    job: TrainingJob, tmp_path: Path
) -> None:
    key = save_job(job)
    shutil.move(tmp_path / "s", tmp_path / "moved")
    moved = load_job(str(tmp_path / "moved"), key)
    assert (moved.run.store, moved.digest) == (str(tmp_path / "moved"), job.digest)


def test_a_document_that_was_changed_is_refused(job: TrainingJob, tmp_path: Path) -> None:
    file = tmp_path / "s" / save_job(job)
    file.write_text(file.read_text().replace('"processes":2', '"processes":3'))
    with pytest.raises(IntegrityError, match="is damaged"):
        load_job(job.run.store, job.key)
