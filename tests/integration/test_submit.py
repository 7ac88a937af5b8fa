"""`submit`, `terminate`, `pipeline upload` and `preflight`, against both APIs and a real S3."""

from __future__ import annotations

import json
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldsmith import cli
from goldsmith.cli import submit
from goldsmith.cluster.pipelines import Pipelines
from goldsmith.errors import ClusterError
from goldsmith.pipeline.compiled import for_cluster, version_name
from goldsmith.pipeline.runs import load_run
from goldsmith.registry.bases import SHIPPED
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import ObjectStore, open_store
from tests.fixtures.clusters import cpu, cpu_values
from tests.fixtures.kubernetes import FakeKubernetes, kube_fixture  # noqa: F401  # a fixture
from tests.fixtures.pipelines import FakePipelines, kfp_fixture  # noqa: F401  # a fixture

SMOKE = ["-p", "smoke", "--run-id", "r1", "srl.processes=2", "rlvr.processes=2"]
OURS = {"app.kubernetes.io/part-of": "goldsmith", "goldsmith.dev/run-id": "r1"}


@pytest.fixture(name="store", autouse=True)
def _release(
    kube: FakeKubernetes, s3_environment: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    """The store of a release of the chart."""
    values = cpu_values()
    url = f"s3://goldsmith/{uuid.uuid4().hex}"
    values["store"] |= {"url": url, "endpoint": s3_environment}
    kube.add("ConfigMap", "goldsmith-cluster", data={"cluster.yaml": yaml.safe_dump(values)})
    monkeypatch.setattr(submit, "POLL_S", 0.01)
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # so that nothing else is set
    yield open_store(url)


def ends(kfp: FakePipelines, state: str) -> None:
    """A run goes on once, and then ends so."""
    states = iter(["RUNNING", state])
    kfp.on_get = lambda run: run.update(state=next(states, state))


def written(store: ObjectStore, **facts: Any) -> None:
    """The manifest that the run's steps leave."""
    document = {"run_id": "r1", "steps": {}, "report": "runs/r1/report.html", **facts}
    store.create("runs/r1/manifest.json", seal(document))


def test_a_run_is_saved_started_under_its_account_and_followed(
    store: ObjectStore, kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    ends(kfp, "SUCCEEDED")
    written(store, status="finished", verdict="hold")
    assert cli._run(["submit", *SMOKE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "hold"
    (run,) = kfp.runs.values()
    assert (run["display_name"], run["service_account"]) == ("r1", "goldsmith-pipeline")
    saved = load_run(store, "r1")
    assert run["runtime_config"]["parameters"]["run"] == saved.context.model_dump(mode="json")
    assert saved.context.store == store.url


def test_the_steps_logs_are_printed_and_kfps_own_are_not(
    kube: FakeKubernetes, kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("impl", "driver"):
        name = f"train-tier-x-system-container-{part}-1"
        status = {
            "phase": "Running",
            "containerStatuses": [{"name": "main", "state": {"running": {}}}],
        }
        kube.add("Pod", name, metadata={"labels": {"pipeline/runid": "kfp-0"}}, status=status)
        kube.logs[name] = [f"2026-01-01T00:00:00Z of the {part}"]
    ends(kfp, "SUCCEEDED")
    assert cli._run(["submit", *SMOKE]) == 0
    out = capsys.readouterr().out
    assert "train-tier-x-system-container-impl-1 | of the impl" in out
    assert "of the driver" not in out
    assert out.index("running") < out.index("succeeded")


def test_a_failed_run_tells_its_cause_and_how_to_go_on(
    store: ObjectStore, kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    ends(kfp, "FAILED")
    written(store, status="failed", cause="train_srl failed: no node")
    assert cli._run(["submit", *SMOKE]) == 1
    said = capsys.readouterr().err
    assert (
        "run r1 failed: train_srl failed: no node; go on with: goldsmith submit --resume r1" in said
    )


def test_resume_follows_a_run_that_goes_on_and_starts_one_that_failed(
    kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["submit", *SMOKE, "--detach"]) == 0
    assert cli._run(["submit", "--resume", "r1", "--detach"]) == 0
    assert len(kfp.runs) == 1
    kfp.runs["kfp-0"]["state"] = "FAILED"
    assert cli._run(["submit", "--resume", "r1", "--detach"]) == 0
    first, second = kfp.runs.values()
    assert first["runtime_config"] == second["runtime_config"]


def test_who_goes_away_is_told_how_to_come_back_and_how_to_stop(
    kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    main = threading.main_thread().ident or 0
    kfp.on_get = lambda run: signal.pthread_kill(main, signal.SIGINT)
    assert cli._run(["submit", *SMOKE]) == 130
    said = capsys.readouterr().err
    assert "goldsmith submit --resume r1" in said
    assert "goldsmith terminate r1" in said
    assert next(iter(kfp.runs.values()))["state"] == "PENDING"


def test_what_the_cluster_cannot_hold_is_refused_before_anything_is_saved(
    store: ObjectStore, kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["submit", "-p", "smoke", "srl.processes=8"]) == 2
    assert "set srl.processes=2" in capsys.readouterr().err
    assert list(store.list("runs/")) == []


def test_a_model_folder_of_this_machine_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli._run(["submit", *SMOKE, f"srl.model={SHIPPED / 'gold'}"]) == 2
    assert "a folder of this machine, which no pod can read" in capsys.readouterr().err


def test_a_dry_run_starts_and_saves_nothing(
    store: ObjectStore, kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["submit", *SMOKE, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [job["stage"] for job in document["jobs"]] == ["train_srl", "train_rlvr"]
    assert (kfp.runs, list(store.list(""))) == ({}, [])


def test_terminate_ends_the_steps_first_and_then_their_jobs(
    kube: FakeKubernetes, kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.add_run("r1", "RUNNING")
    kube.add("PyTorchJob", "g-r1-train-srl-1", metadata={"labels": OURS})
    kube.add("PyTorchJob", "other", metadata={"labels": OURS | {"goldsmith.dev/run-id": "r2"}})
    step = kube.add(
        "Pod", "step", metadata={"labels": {"pipeline/runid": "kfp-0"}}, status={"phase": "Running"}
    )
    left: list[bool] = []

    def step_ends() -> None:
        left.append(kube.get("PyTorchJob", "g-r1-train-srl-1") is not None)
        step["status"]["phase"] = "Failed"

    kube.steps.append(step_ends)
    assert cli._run(["terminate", "r1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"] == ["g-r1-train-srl-1"]
    assert kfp.runs["kfp-0"]["state"] == "CANCELING"
    assert left == [True]  # a step that lives would start its job again
    assert (kube.get("PyTorchJob", "g-r1-train-srl-1"), kube.deleted) == (
        None,
        ["g-r1-train-srl-1"],
    )


def test_terminate_finds_a_run_that_kfp_started_under_another_name(
    kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.add_run("by hand", "RUNNING", runtime_config={"parameters": {"run": {"run_id": "r1"}}})
    assert cli._run(["terminate", "r1", "--dry-run"]) == 0
    assert "would be terminated" in capsys.readouterr().out
    assert kfp.runs["kfp-0"]["state"] == "RUNNING"


def test_terminate_of_no_run_is_an_error(
    kfp: FakePipelines, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["terminate", "r9"]) == 1
    assert "no run r9 in namespace kubeflow" in capsys.readouterr().err


def test_uploading_twice_is_uploading_once(
    kfp: FakePipelines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(cpu_values()))
    command = ["pipeline", "upload", "--cluster", str(tmp_path / "c.yaml"), "--json"]
    answers = []
    for _ in range(2):
        assert cli._run(command) == 0
        answers.append(json.loads(capsys.readouterr().out)["new"])
    assert answers == [True, False]
    assert version_name(for_cluster(cpu())) in kfp.pipelines["train-tier"]


def test_a_pipeline_server_that_is_away_is_one_line(kfp: FakePipelines) -> None:
    with pytest.raises(
        ClusterError, match=r"does not answer at http://127\.0\.0\.1:1.*port-forward"
    ):
        Pipelines("http://127.0.0.1:1")


def test_what_the_pipeline_server_refuses_is_told_in_its_words(kfp: FakePipelines) -> None:
    pipelines = Pipelines(kfp.url)
    run = pipelines.start(for_cluster(cpu()), name="r1", parameters={}, account="a")
    kfp.runs.clear()
    with pytest.raises(ClusterError, match=r"refuses to read run r1: Run kfp-0 not found"):
        pipelines.get(run)


def test_the_store_alone_can_be_checked_as_a_pod_would_use_it(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = cpu_values()
    values["store"] = {"url": store.url}
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setenv("GOLDSMITH_CLUSTER", str(tmp_path / "cluster.yaml"))
    assert cli._run(["preflight", "--store-only"]) == 0
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert cli._run(["preflight", "--store-only"]) == 1
