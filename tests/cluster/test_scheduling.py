"""Where the pods of each tier go, on nodes that KWOK makes look like EKS's; and what stays Pending.

GOLDSMITH_TEST_KWOK=no leaves these tests out, for a cluster without KWOK.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from goldsmith.cluster.client import Object
from goldsmith.cluster.launcher import PyTorchJobLauncher
from goldsmith.cluster.pytorchjob import CAPACITY_LABEL, job_name, pytorch_job
from goldsmith.config.cluster import ClusterConfig, validate_cluster
from goldsmith.config.run import RunContext, SRLConfig, Tier
from goldsmith.errors import TrainingError
from goldsmith.training.job import TrainingJob
from tests.cluster.release import Release, until
from tests.fixtures.clusters import eks_values

pytestmark = pytest.mark.skipif(
    os.environ.get("GOLDSMITH_TEST_KWOK") == "no", reason="this cluster has no KWOK"
)
TYPE, ZONE = "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone"
NODES = {
    "gs-g6": ("g6.12xlarge", "on-demand", {"cpu": "48", "memory": "192Gi", "nvidia.com/gpu": "4"}),
    **{
        f"gs-p5-{capacity}": (
            "p5.48xlarge",
            capacity,
            {
                "cpu": "192",
                "memory": "2048Gi",
                "nvidia.com/gpu": "8",
                "vpc.amazonaws.com/efa": "32",
            },
        )
        for capacity in ("on-demand", "spot")
    },
}


@pytest.fixture(name="nodes", scope="module", autouse=True)
def _nodes(release: Release) -> Iterator[None]:
    """One node of each kind, in one zone."""
    for name, (kind, capacity, amounts) in NODES.items():
        release.client.delete("Node", name)
        release.client.create(node(name, kind, capacity, amounts | {"pods": "110"}))
    for name in NODES:
        until(lambda name=name: is_ready(release, name), seconds=60, what=f"node {name} ready")
    yield
    for name in NODES:
        release.client.delete("Node", name)


def node(name: str, kind: str, capacity: str, amounts: dict[str, str]) -> Object:
    """A node that KWOK keeps alive, tainted as GPU nodes are."""
    labels = {"type": "kwok", TYPE: kind, CAPACITY_LABEL: capacity, ZONE: "us-east-1a"}
    taint = {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [taint]},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def is_ready(release: Release, name: str) -> bool:
    """Whether KWOK has taken a node on."""
    conditions = (release.client.get("Node", name) or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@pytest.fixture(name="cluster")
def _cluster(release: Release) -> ClusterConfig:
    """Pools and hardware as on EKS, in the release's namespace and store."""
    values = eks_values() | {"queue": "", "priority_class": release.cluster.priority_class}
    values["store"] = release.cluster.store.model_dump(mode="json")
    return validate_cluster(values | {"namespace": release.namespace})


def job_of(tier: Tier, cluster: ClusterConfig) -> TrainingJob:
    """A job of a tier, with as many processes as its hardware has."""
    hardware = cluster.hardware[tier]
    processes = hardware.nodes * hardware.processes_per_node
    run_id = f"placed-{tier}"
    return TrainingJob(
        run=RunContext(run_id=run_id, domain="cooking", tier=tier, seed=0, store=cluster.store.url),
        stage="train_srl",
        config=SRLConfig(processes=processes).model_dump(mode="json"),
        dataset="datasets/cooking/none",
        model="models/none",
    )


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        pytest.param("gold", {"master-0": "gs-g6"}, id="gold-on-g6"),
        pytest.param(
            "silver",
            {"master-0": "gs-p5-on-demand", "worker-0": "gs-p5-spot"},
            id="silver-on-p5-its-worker-on-spot",
        ),
    ],
)
def test_pods_go_where_their_tier_says(
    release: Release, cluster: ClusterConfig, tier: Tier, expected: dict[str, str]
) -> None:
    job = job_of(tier, cluster)
    name = job_name(job)
    release.client.apply(pytorch_job(job, cluster, key="none"))

    def placed() -> dict[str, str]:
        pods = release.pods(name)
        found = {
            pod["metadata"]["name"].removeprefix(f"{name}-"): pod["spec"].get("nodeName", "")
            for pod in pods
        }
        return found if len(found) == len(expected) and all(found.values()) else {}

    try:
        assert until(placed, seconds=60, what=f"pods of {tier} on nodes") == expected
    finally:
        release.client.delete("PyTorchJob", name)
        until(lambda: release.pods(name) == [], seconds=60, what="no pods")


def test_what_finds_no_node_ends_with_what_it_asks_for(
    release: Release, cluster: ClusterConfig
) -> None:
    impatient = cluster.hardware["bronze"].model_copy(update={"pending_s": 5})
    hardware = {**cluster.hardware, "bronze": impatient}
    small = cluster.model_copy(update={"hardware": hardware})
    launcher = PyTorchJobLauncher(small, release.client, poll_s=0.5)
    with pytest.raises(TrainingError) as refused:
        launcher.launch(job_of("bronze", small))
    said = str(refused.value)
    assert "finds no node; it asks for pool p5" in said
    assert "32 vpc.amazonaws.com/efa" in said
    assert release.leaves_no_job("placed-bronze")
