"""The PyTorchJob of a training job: the CRD's schema, the webhook's rules, and what a tier asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldsmith.cluster.pytorchjob import job_name, pytorch_job
from goldsmith.config.cluster import ClusterConfig, validate_cluster
from goldsmith.errors import ConfigError
from tests.fixtures import clusters
from tests.fixtures.schemas import mistakes
from tests.unit.cluster.conftest import training_job

GOLDEN = Path(__file__).parent / "golden"
PROCESSES = {"gold": 4, "silver": 16, "bronze": 32}
OWNER = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "name": "train-tier-x",
    "uid": "u-1",
}
CASES = [
    *(pytest.param(tier, clusters.eks(), n, id=f"{tier} on eks") for tier, n in PROCESSES.items()),
    pytest.param("gold", clusters.cpu(), 2, id="gold on cpu"),
]


def built(tier: str, cluster: ClusterConfig, processes: int, **options: Any) -> dict[str, Any]:
    job = training_job(cluster.store.url, tier=tier, processes=processes)
    return pytorch_job(
        job, cluster, key=job.key, trusted_key="-----BEGIN PUBLIC KEY-----", **options
    )


def pods(manifest: dict[str, Any]) -> dict[str, Any]:
    """Role to pod template."""
    replicas = manifest["spec"]["pytorchReplicaSpecs"]
    return {role: replica["template"] for role, replica in replicas.items()}


@pytest.mark.parametrize(("tier", "cluster", "processes"), CASES)
def test_the_api_server_would_take_it(tier: str, cluster: ClusterConfig, processes: int) -> None:
    manifest = built(tier, cluster, processes, owner=OWNER, annotations={"a": "b"})
    assert mistakes(manifest, "1.34.0") == []


@pytest.mark.parametrize(("tier", "cluster", "processes"), CASES)
def test_the_webhook_would_take_it(tier: str, cluster: ClusterConfig, processes: int) -> None:
    manifest = built(tier, cluster, processes)
    replicas = manifest["spec"]["pytorchReplicaSpecs"]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])
    assert set(replicas) <= {"Master", "Worker"}
    assert replicas["Master"]["replicas"] == 1
    assert "Worker" not in replicas or replicas["Worker"]["replicas"] >= 1
    assert len({"nprocPerNode", "nProcPerNode"} & set(manifest["spec"])) == 1
    assert "elasticPolicy" not in manifest["spec"]
    for pod in pods(manifest).values():
        assert [c["name"] for c in pod["spec"]["containers"]] == ["pytorch"]
        assert "restartPolicy" not in pod["spec"]  # the operator overwrites it and complains


@pytest.mark.parametrize("run_id", ["x" * 63, "1st", "A.b_C", "ends-", "g" * 60 + "_._"])
def test_names_and_labels_are_valid_for_any_run(run_id: str) -> None:
    job = training_job("s3://goldsmith/store")
    job = job.model_copy(update={"run": job.run.model_copy(update={"run_id": run_id})})
    manifest = pytorch_job(job, clusters.cpu(), key="k")
    name = manifest["metadata"]["name"]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert len(f"{name}-worker-999") <= 63
    for value in manifest["metadata"]["labels"].values():
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", value), value


def test_runs_that_differ_only_in_what_a_name_cannot_hold_have_different_names() -> None:
    names = set()
    for run_id in ("a.b", "a_b", "A-b", "a-b"):
        job = training_job("s3://goldsmith/store")
        names.add(
            job_name(job.model_copy(update={"run": job.run.model_copy(update={"run_id": run_id})}))
        )
    assert len(names) == 4


@pytest.mark.parametrize(("tier", "cluster", "processes"), CASES)
def test_pods_pass_pod_security_restricted(
    tier: str, cluster: ClusterConfig, processes: int
) -> None:
    for pod in pods(built(tier, cluster, processes)).values():
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert all("emptyDir" in volume for volume in spec["volumes"])
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert spec["automountServiceAccountToken"] is False


def test_a_toleration_keeps_its_operator() -> None:
    """Without one Kubernetes takes `Equal`, and no GPU node's taint would be tolerated."""
    pod = pods(built("gold", clusters.eks(), 4))["Master"]
    assert pod["spec"]["tolerations"] == [clusters.GPU_TAINT]


def test_master_and_workers_go_to_the_capacity_that_the_tier_says() -> None:
    found = pods(built("silver", clusters.eks(), 16))
    capacity = {
        role: p["spec"]["nodeSelector"]["karpenter.sh/capacity-type"] for role, p in found.items()
    }
    assert capacity == {"Master": "on-demand", "Worker": "spot"}


def test_a_cpu_pool_without_labels_selects_no_node() -> None:
    for pod in pods(built("gold", clusters.cpu(), 2)).values():
        assert "nodeSelector" not in pod["spec"]
        assert "nvidia.com/gpu" not in pod["spec"]["containers"][0]["resources"]["limits"]


@pytest.mark.parametrize(
    ("tier", "efa"), [("gold", None), ("silver", "32"), ("bronze", "32")], ids=str
)
def test_jobs_of_several_nodes_take_the_pools_efa(tier: str, efa: str | None) -> None:
    pod = pods(built(tier, clusters.eks(), PROCESSES[tier]))["Master"]
    assert pod["spec"]["containers"][0]["resources"]["limits"].get("vpc.amazonaws.com/efa") == efa


def test_topology_is_kueues_with_a_queue_and_an_affinity_without() -> None:
    key = "topology.kubernetes.io/zone"
    queued = pods(built("bronze", clusters.eks(), 32))["Worker"]
    assert queued["metadata"]["annotations"]["kueue.x-k8s.io/podset-required-topology"] == key
    plain = pods(built("bronze", validate_cluster(clusters.eks_values() | {"queue": ""}), 32))
    (term,) = plain["Worker"]["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["topologyKey"] == key
    assert (
        term["labelSelector"]["matchLabels"].items()
        <= plain["Worker"]["metadata"]["labels"].items()
    )


def test_another_number_of_processes_is_refused_in_words() -> None:
    with pytest.raises(
        ConfigError, match=r"srl.processes is 2, but .* 1 nodes x 4 processes.*set srl.processes=4"
    ):
        built("gold", clusters.eks(), 2)


def test_a_tier_without_hardware_is_refused_in_words() -> None:
    values = clusters.cpu_values()
    del values["hardware"]["gold"]
    with pytest.raises(ConfigError, match=r"no hardware\.gold"):
        built("gold", validate_cluster(values), 2)


def test_credentials_are_named_and_never_written() -> None:
    (container,) = pods(built("gold", clusters.cpu(), 2))["Master"]["spec"]["containers"]
    secret = {row["name"]: row["valueFrom"] for row in container["env"] if "valueFrom" in row}
    assert secret["AWS_SECRET_ACCESS_KEY"] == {
        "secretKeyRef": {"name": "goldsmith-store", "key": "AWS_SECRET_ACCESS_KEY"}
    }
    (own,) = pods(built("gold", clusters.eks(), 4))["Master"]["spec"]["containers"]
    assert not [row for row in own["env"] if "valueFrom" in row]  # the pod's own identity


def test_the_same_work_has_the_same_manifest() -> None:
    assert built("bronze", clusters.eks(), 32) == built("bronze", clusters.eks(), 32)


@pytest.mark.parametrize("tier", PROCESSES)
def test_what_a_tier_asks_for_is_as_reviewed(tier: str) -> None:
    golden = (GOLDEN / f"{tier}.yaml").read_text()
    assert yaml.safe_load(golden) == built(tier, clusters.eks(), PROCESSES[tier], owner=OWNER)


def write_golden() -> None:
    """Write what is reviewed."""
    GOLDEN.mkdir(exist_ok=True)
    for tier, processes in PROCESSES.items():
        manifest = built(tier, clusters.eks(), processes, owner=OWNER)
        text = yaml.safe_dump(manifest, sort_keys=False)
        (GOLDEN / f"{tier}.yaml").write_text(text)


if __name__ == "__main__":  # python -m tests.unit.cluster.test_pytorchjob
    write_golden()
