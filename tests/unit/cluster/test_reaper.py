"""Jobs that nobody waits for are deleted, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from goldsmith import cli
from goldsmith.cluster.client import connect
from goldsmith.cluster.reaper import reap
from tests.fixtures.kubernetes import FakeKubernetes, condition

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OURS = {"app.kubernetes.io/part-of": "goldsmith", "goldsmith.dev/run-id": "first"}


def job(kube: FakeKubernetes, *, kind: str = "PyTorchJob", owner: str = "", **metadata: Any) -> Any:
    reference = {"kind": "Workflow", "name": "w", "uid": owner}
    fields = {"labels": OURS, "ownerReferences": [reference] if owner else [], **metadata}
    return kube.add(kind, "j", metadata=fields, status={})


def workflow(kube: FakeKubernetes, phase: str) -> str:
    made = kube.add("Workflow", "w", status={"phase": phase})
    uid: str = made["metadata"]["uid"]
    return uid


def deadline(hours: float) -> dict[str, Any]:
    return {"annotations": {"goldsmith.dev/deadline": (NOW + timedelta(hours=hours)).isoformat()}}


def reaped(kube: FakeKubernetes) -> str:
    """Why the job was deleted, or empty."""
    found = reap(connect(), now=NOW)
    assert len(kube.deleted) == len(found)
    return found[0].why if found else ""


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Error"])
@pytest.mark.parametrize("kind", ["PyTorchJob", "Job"])
def test_a_job_whose_workflow_is_over_goes(kind: str, phase: str, kube: FakeKubernetes) -> None:
    job(kube, kind=kind, owner=workflow(kube, phase))
    assert reaped(kube) == f"its workflow w is {phase}"


def test_a_job_whose_workflow_is_gone_goes(kube: FakeKubernetes) -> None:
    job(kube, owner="uid-0")
    assert reaped(kube) == "its workflow w is gone"


def test_a_job_of_an_older_workflow_of_that_name_goes(kube: FakeKubernetes) -> None:
    workflow(kube, "Running")
    job(kube, owner="uid-0")
    assert reaped(kube) == "its workflow w is gone"


def test_a_job_that_is_past_its_deadline_goes(kube: FakeKubernetes) -> None:
    job(kube, owner=workflow(kube, "Running"), **deadline(-1))
    assert reaped(kube).startswith("its deadline was 2026-01-01T23")


def test_a_job_that_is_waited_for_stays(kube: FakeKubernetes) -> None:
    job(kube, owner=workflow(kube, "Running"), **deadline(1))
    assert reaped(kube) == ""


def test_the_launcher_gets_its_chance_to_end_a_job_at_the_deadline(kube: FakeKubernetes) -> None:
    job(kube, owner=workflow(kube, "Running"), **deadline(-0.01))
    assert reaped(kube) == ""


def test_a_job_that_is_over_stays_to_be_looked_at(kube: FakeKubernetes) -> None:
    condition(job(kube, owner="uid-0"), "Failed")
    assert reaped(kube) == ""


@pytest.mark.parametrize(
    "labels", [{}, {"app.kubernetes.io/part-of": "goldsmith"}], ids=["other", "chart's"]
)
def test_what_is_no_runs_job_stays(labels: dict[str, str], kube: FakeKubernetes) -> None:
    job(kube, owner="uid-0", labels=labels)
    assert reaped(kube) == ""


def test_a_dry_run_deletes_nothing(
    kube: FakeKubernetes, capsys: pytest.CaptureFixture[str]
) -> None:
    job(kube, owner="uid-0")
    assert cli._run(["operate", "reaper", "--dry-run"]) == 0
    assert (
        "Would delete PyTorchJob j of run first: its workflow w is gone" in capsys.readouterr().out
    )
    assert kube.deleted == []
