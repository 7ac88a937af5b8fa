"""The reaper, as its CronJob runs it: what is past its deadline goes, what is not stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from goldsmith.cluster.client import Object
from goldsmith.cluster.pytorchjob import pytorch_job
from goldsmith.cluster.supervisor import DEADLINE
from goldsmith.config.run import RunContext, SRLConfig
from goldsmith.training.job import TrainingJob
from tests.cluster.release import Release, until


def forgotten(release: Release, run_id: str, *, deadline: datetime) -> Object:
    """A job that no step waits for; its image does not exist, so it goes on for ever."""
    images = release.cluster.images.model_copy(update={"torch": "localhost/no-such-image:1"})
    cluster = release.cluster.model_copy(update={"images": images})
    url = cluster.store.url
    job = TrainingJob(
        run=RunContext(run_id=run_id, domain="cooking", tier="gold", seed=0, store=url),
        stage="train_srl",
        config=SRLConfig(processes=2).model_dump(mode="json"),
        dataset="datasets/cooking/none",
        model="models/none",
    )
    notes = {DEADLINE: deadline.isoformat(timespec="seconds")}
    return release.client.apply(pytorch_job(job, cluster, key="none", annotations=notes))


def test_the_reaper_deletes_what_is_past_its_deadline_and_nothing_else(release: Release) -> None:
    now = datetime.now(UTC)
    forgotten(release, "reaped-late", deadline=now - timedelta(hours=1))
    early = forgotten(release, "reaped-early", deadline=now + timedelta(hours=1))
    cron = release.client.get("CronJob", "goldsmith-reaper")
    assert cron
    meta = {"name": "goldsmith-reaper-test", "namespace": release.namespace}
    template = cron["spec"]["jobTemplate"]
    labels = template["metadata"]["labels"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta | {"labels": labels}}
    release.client.apply(job | {"spec": template["spec"]})

    def succeeded() -> bool:
        found = release.client.get("Job", meta["name"])
        return bool(found and found.get("status", {}).get("succeeded"))

    try:
        until(succeeded, seconds=120, what="the reaper's Job to succeed")
        assert release.leaves_no_job("reaped-late")
        (kept,) = release.jobs("reaped-early")
        assert kept["metadata"]["uid"] == early["metadata"]["uid"]
    finally:
        release.client.delete("Job", meta["name"])
        release.client.delete("PyTorchJob", early["metadata"]["name"])
