"""Training runs: by Kubeflow's own client, through losses, and ended by a person.

The test server is of level 2.0; a newer one takes the same file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from goldsmith.cluster.client import Object
from goldsmith.cluster.launcher import PyTorchJobLauncher
from goldsmith.cluster.pipelines import PipelineRun, Pipelines
from goldsmith.cluster.pods import run_selector
from goldsmith.cluster.supervisor import RESTARTS
from goldsmith.pipeline.runs import STEPS
from goldsmith.training.job import load_job
from tests.cluster.release import Release, answer, shell, until

SMOKE_S = 900


def ended(pipelines: Pipelines, run_id: str, *, seconds: float = SMOKE_S) -> PipelineRun:
    """The run once it is over."""

    def look() -> PipelineRun | None:
        run = pipelines.find(run_id)
        return run if run and run.is_over else None

    found: PipelineRun = until(look, seconds=seconds, what=f"end of run {run_id}", every_s=3)
    return found


def training(release: Release, run_id: str, stage: str, *, seconds: float = 300) -> Object:
    """The job of a stage once all its pods run."""

    def look() -> Object | None:
        for job in release.jobs(run_id):
            pods = release.pods(job["metadata"]["name"])
            running = [pod for pod in pods if pod["status"]["phase"] == "Running"]
            if job["metadata"]["labels"]["goldsmith.dev/stage"] == stage and len(running) == 2:
                return job
        return None

    found: Object = until(look, seconds=seconds, what=f"2 running pods of {run_id} {stage}")
    return found


def checkpoint(release: Release, run_id: str, stage: str) -> Callable[[], bool]:
    """Whether a stage has committed one."""
    return lambda: bool(list(release.store.list(f"checkpoints/{run_id}/{stage}/manifest/")))


def test_preflight_and_plan_find_nothing_wrong(release: Release, kfp: str) -> None:
    told = release.goldsmith("preflight", "-n", release.namespace, "--kfp", kfp)
    assert "WRONG" not in told
    asks = answer(release.goldsmith("plan", "-n", release.namespace, "-p", "smoke", "--json"))
    assert [(ask["stage"], ask["pool"]) for ask in asks] == [
        ("train_srl", "cpu"),
        ("train_rlvr", "cpu"),
    ]


def test_kfp_run_create_trains_a_model_into_the_registry(
    release: Release, kfp: str, run_id: str, tmp_path: Path
) -> None:
    pipeline = tmp_path / "train_tier.yaml"
    release.goldsmith("pipeline", "export", "-n", release.namespace, "-o", str(pipeline))
    program = [str(Path(sys.executable).parent / "kfp"), "--endpoint", kfp, "run", "create"]
    told = json.dumps({"run_id": run_id, "profile": "smoke"})
    shell([*program, "-e", "goldsmith-test", "-r", run_id, "-f", str(pipeline), f"run={told}"])
    job = training(release, run_id, "train_srl")
    assert set(job["spec"]["pytorchReplicaSpecs"]) == {"Master", "Worker"}
    assert ended(Pipelines(kfp), run_id).state == "SUCCEEDED"
    store = ["--store", release.cluster.store.url]
    status = answer(release.goldsmith("status", run_id, *store, "--json"))
    assert (status["status"], status["verdict"] in ("promote", "hold")) == ("finished", True)
    assert set(status["steps"]) == set(STEPS)
    release.goldsmith("report", run_id, *store)
    trusted = {"GOLDSMITH_TRUSTED_KEY": str(release.public_key(tmp_path))}
    assert "base" in release.goldsmith("models", "list", *store, **trusted)
    rows = [*release.store.list(f"runs/{run_id}/metrics/")]
    assert rows == [f"runs/{run_id}/metrics/train_{stage}.jsonl" for stage in ("rlvr", "srl")]


def test_a_run_outlives_a_worker_and_a_second_launcher_re_attaches(
    release: Release, kfp: str, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="goldsmith")
    place = ["-n", release.namespace, "--kfp", kfp]
    sizes = ["-p", "smoke", "srl.updates=20", "--run-id", run_id]
    release.goldsmith("submit", *place, *sizes, "--detach")
    name = training(release, run_id, "train_srl")["metadata"]["name"]
    until(checkpoint(release, run_id, "train_srl"), seconds=300, what="a checkpoint")
    release.client.delete("Pod", f"{name}-worker-0")

    def restarted() -> bool:
        (job,) = release.jobs(run_id) or [{"metadata": {"annotations": {}}}]
        return bool(job["metadata"]["annotations"].get(RESTARTS) == "1")

    until(restarted, seconds=120, what="the job to come back")
    again = training(release, run_id, "train_srl")
    url = release.cluster.store.url
    (key,) = (k for k in release.store.list(f"checkpoints/{run_id}/train_srl/job-"))
    output = PyTorchJobLauncher(release.cluster, release.client).launch(load_job(url, key))
    assert f"Re-attaching to PyTorchJob {name}" in caplog.text
    assert release.store.exists(f"{output}/manifest.json")
    assert {job["metadata"]["uid"] for job in release.jobs(run_id)} >= {again["metadata"]["uid"]}
    assert "Verdict" in release.goldsmith("submit", *place, "--resume", run_id)


def test_big_data_is_validated_by_a_job_of_its_own(release: Release, kfp: str, run_id: str) -> None:
    place = ["-n", release.namespace, "--kfp", kfp]
    with release.changed({"cluster": {"big_data_bytes": 1}}):
        release.goldsmith("submit", *place, "-p", "smoke", "--run-id", run_id, "--detach")
        seen = until(
            lambda: release.client.list("Job", labels=run_selector(run_id)),
            seconds=180,
            what="the validation Job",
        )
        assert seen[0]["metadata"]["labels"]["goldsmith.dev/stage"] == "validate_data"
        training(release, run_id, "train_srl")  # so it passed
        release.goldsmith("terminate", run_id, *place)
    assert release.store.exists(f"runs/{run_id}/validation.json")


def test_terminate_leaves_no_job_and_no_pod(release: Release, kfp: str, run_id: str) -> None:
    place = ["-n", release.namespace, "--kfp", kfp]
    sizes = ["-p", "smoke", "srl.updates=500", "--run-id", run_id]
    release.goldsmith("submit", *place, *sizes, "--detach")
    job = training(release, run_id, "train_srl")
    assert job["metadata"]["annotations"][RESTARTS] == "0"
    told = release.goldsmith("terminate", run_id, *place)
    assert f"Run {run_id} is terminated" in told
    assert ended(Pipelines(kfp), run_id, seconds=60).state in ("FAILED", "CANCELED")
    assert release.jobs(run_id) == []
    assert release.pods(job["metadata"]["name"]) == []
