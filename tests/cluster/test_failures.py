"""What cannot work ends with a sentence that a person can act on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from goldsmith.cluster.launcher import PyTorchJobLauncher
from goldsmith.cluster.pytorchjob import pytorch_job
from goldsmith.config.cluster import ClusterConfig
from goldsmith.config.run import RunContext, SRLConfig
from goldsmith.errors import ClusterError, TrainingError
from goldsmith.training.job import TrainingJob
from tests.cluster.release import Release


@pytest.fixture(name="job")
def _job(release: Release) -> Iterator[TrainingJob]:
    """A job of two pods; that it has nothing to train on does not matter here."""
    run_id, url = f"broken-{uuid.uuid4().hex[:6]}", release.cluster.store.url
    yield TrainingJob(
        run=RunContext(run_id=run_id, domain="cooking", tier="gold", seed=0, store=url),
        stage="train_srl",
        config=SRLConfig(processes=2).model_dump(mode="json"),
        dataset="datasets/cooking/none",
        model="models/none",
    )
    for found in release.jobs(run_id):
        release.client.delete("PyTorchJob", found["metadata"]["name"])


def changed(cluster: ClusterConfig, *, hardware: dict[str, Any], **parts: Any) -> ClusterConfig:
    """The cluster with other hardware for gold, and other parts."""
    gold = cluster.hardware["gold"].model_copy(update=hardware)
    return cluster.model_copy(update={**parts, "hardware": {**cluster.hardware, "gold": gold}})


def refused(release: Release, cluster: ClusterConfig, job: TrainingJob) -> str:
    """What the launcher says of a job that cannot run."""
    launcher = PyTorchJobLauncher(cluster, release.client, poll_s=0.5, settle_s=5, backoff_s=0)
    with pytest.raises(TrainingError) as error:
        launcher.launch(job)
    return str(error.value)


def test_a_request_that_no_node_can_hold(release: Release, job: TrainingJob) -> None:
    cluster = changed(release.cluster, hardware={"cpu": 4000, "pending_s": 5})
    said = refused(release, cluster, job)
    assert "finds no node; it asks for pool cpu" in said
    assert "Insufficient cpu" in said
    assert release.leaves_no_job(job.run.run_id)


def test_an_image_that_does_not_exist(release: Release, job: TrainingJob) -> None:
    images = release.cluster.images.model_copy(update={"torch": "localhost/no-such-image:1"})
    cluster = changed(release.cluster, hardware={"pending_s": 20}, images=images)
    assert "image localhost/no-such-image:1 cannot be pulled" in refused(release, cluster, job)
    assert release.leaves_no_job(job.run.run_id)


def test_a_store_that_training_pods_do_not_reach(release: Release, job: TrainingJob) -> None:
    away = release.cluster.store.model_copy(update={"endpoint": "http://10.255.255.1:9000"})
    cluster = changed(release.cluster, hardware={"max_restarts": 0}, store=away)
    said = refused(release, cluster, job)
    assert "let the pods reach http://10.255.255.1:9000" in said


def test_a_job_that_the_webhook_refuses(release: Release, job: TrainingJob) -> None:
    manifest = pytorch_job(job, release.cluster, key="none")
    manifest["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0][
        "name"
    ] = "no-pytorch"
    with pytest.raises(ClusterError, match=r"refuses to apply PyTorchJob .*webhook.*pytorch"):
        release.client.apply(manifest)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"store": {"endpoint": "http://nowhere.kubeflow:9000"}},
            "at http://nowhere.kubeflow:9000",
            id="store-unreachable",
        ),
        pytest.param(
            {
                "images": {"torch": "localhost/no-such-image:1"},
                "cluster": {"hardware": {"gold": {"pending_s": 20}}},
            },
            "image localhost/no-such-image:1 cannot be pulled",
            id="image-missing",
        ),
    ],
)
def test_a_run_that_cannot_work_ends_with_a_sentence(
    release: Release, kfp: str, run_id: str, changes: dict[str, Any], sentence: str
) -> None:
    with release.changed(changes):
        place = ["-n", release.namespace, "--kfp", kfp]
        told = release.goldsmith("submit", *place, "-p", "smoke", "--run-id", run_id, code=1)
    assert sentence in told
    assert f"run {run_id} failed" in told
    assert "Traceback" not in told.rpartition(f"run {run_id} failed")[2]
