"""A training job as a PyTorchJob (kubeflow.org/v1): a pure function.

Any pod that ends badly ends the job (`restartPolicy: Never`), and the supervisor starts all pods
again as one incarnation: the operator's own restarts have no bound, and let a single worker come
back that the others never meet (kubeflow/trainer issues 2045, 2000 and 2269).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from goldsmith.cluster.client import Object
from goldsmith.cluster.pods import (
    cores,
    environment,
    labels,
    object_name,
    pod_spec,
    quantity,
    variables,
)
from goldsmith.config.cluster import Capacity, ClusterConfig, Hardware, Pool
from goldsmith.errors import ConfigError
from goldsmith.training.entry import SILENCE
from goldsmith.training.job import TrainingJob

CONTAINER = "pytorch"
"""The operator looks the training container up by this name."""
CAPACITY_LABEL = "karpenter.sh/capacity-type"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
TOPOLOGY_ANNOTATION = "kueue.x-k8s.io/podset-required-topology"
LONGEST_NAME = 63 - len("-worker-999")
"""The operator names pods and services `<job>-<role>-<index>`, and a service has 63 characters."""
KEPT_S = 86_400
"""How long a finished job, with its pods' logs, stays to be looked at."""

Role = Literal["Master", "Worker"]


def job_name(job: TrainingJob) -> str:
    """The PyTorchJob's name: the same work has the same one, so that a retry finds it."""
    return object_name(job.run.run_id, job.stage, job.digest[:8], longest=LONGEST_NAME)


def hardware_of(job: TrainingJob, cluster: ClusterConfig) -> Hardware:
    """What the job's tier asks for; ConfigError if that is not what its configuration needs."""
    tier, stage = job.run.tier, job.stage.removeprefix("train_")
    if tier not in cluster.hardware:
        raise ConfigError(f"the cluster has no hardware.{tier}", fix="add it, or take another tier")
    hardware = cluster.hardware[tier]
    ranks, wanted = hardware.nodes * hardware.processes_per_node, job.config["processes"]
    if ranks != wanted:
        raise ConfigError(
            f"{stage}.processes is {wanted}, but hardware.{tier} has {hardware.nodes} nodes x "
            f"{hardware.processes_per_node} processes",
            why="the number of processes decides the result",
            fix=f"set {stage}.processes={ranks}, or change hardware.{tier}",
        )
    return hardware


def pytorch_job(
    job: TrainingJob,
    cluster: ClusterConfig,
    *,
    key: str,
    owner: Object | None = None,
    annotations: Mapping[str, str] | None = None,
    trusted_key: str = "",
) -> Object:
    """The PyTorchJob that trains the job whose document is `key` in the store.

    `owner`: the Workflow's ownerReference, so that it is deleted with the run. `trusted_key`: the
    public key (PEM) of whoever signed the models.
    """
    hardware, name = hardware_of(job, cluster), job_name(job)
    marks = labels(job.run, job.stage, component="training", instance=name)

    def replica(role: Role, count: int) -> Object:
        return {
            "replicas": count,
            "restartPolicy": "Never",
            "template": {
                "metadata": _pod_metadata(marks, cluster, hardware),
                "spec": _pod(job, cluster, role, key=key, name=name, trusted_key=trusted_key),
            },
        }

    replicas = {"Master": replica("Master", 1)}
    if hardware.nodes > 1:  # the webhook refuses 0 workers
        replicas["Worker"] = replica("Worker", hardware.nodes - 1)
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "labels": marks | ({QUEUE_LABEL: cluster.queue} if cluster.queue else {}),
            "annotations": dict(annotations or {}),
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {
            "nprocPerNode": str(hardware.processes_per_node),
            "runPolicy": {
                "cleanPodPolicy": "Running",
                "activeDeadlineSeconds": hardware.deadline_s,
                "ttlSecondsAfterFinished": KEPT_S,
            },
            "pytorchReplicaSpecs": replicas,
        },
    }


def asked(cluster: ClusterConfig, hardware: Hardware) -> dict[str, str]:
    """The resources that one pod asks for."""
    pool = cluster.pools[hardware.pool]
    wanted = {"cpu": cores(hardware.cpu), "memory": quantity(hardware.memory_gib)}
    if pool.accelerators:
        wanted["nvidia.com/gpu"] = str(hardware.processes_per_node)
    if uses_efa(pool, hardware):
        wanted["vpc.amazonaws.com/efa"] = str(pool.efa)
    return wanted


def uses_efa(pool: Pool, hardware: Hardware) -> bool:
    """Whether the pods of a job talk over EFA."""
    return bool(pool.efa) and hardware.nodes > 1


def node_selector(pool: Pool, capacity: Capacity) -> dict[str, str]:
    """Which nodes a pod may go to; a plain CPU pool is any node."""
    if not pool.accelerators and not pool.node_selector:
        return {}
    return {**pool.node_selector, CAPACITY_LABEL: capacity}


def _pod_metadata(marks: Object, cluster: ClusterConfig, hardware: Hardware) -> Object:
    notes = {"karpenter.sh/do-not-disrupt": "true"}
    if hardware.topology_key and cluster.queue:
        notes[TOPOLOGY_ANNOTATION] = hardware.topology_key
    return {"labels": dict(marks), "annotations": notes}


def _pod(
    job: TrainingJob, cluster: ClusterConfig, role: Role, *, key: str, name: str, trusted_key: str
) -> Object:
    hardware = cluster.hardware[job.run.tier]
    pool = cluster.pools[hardware.pool]
    capacity = hardware.master_capacity if role == "Master" else hardware.worker_capacity
    resources = asked(cluster, hardware)
    spec = pod_spec(
        cluster,
        {
            "name": CONTAINER,
            "image": cluster.images.torch,
            "command": ["python3", "-m", "goldsmith.training.entry", job.run.store, key],
            "env": [
                *environment(cluster, trusted_key=trusted_key),
                *variables({SILENCE: str(hardware.silence_s)}),
                *_network(pool, hardware),
            ],
            "resources": {
                "requests": dict(resources),
                "limits": {kind: many for kind, many in resources.items() if kind != "cpu"},
            },
        },
        account=cluster.service_accounts.trainer,
        shared_memory_gib=hardware.shared_memory_gib,
    )
    spec["terminationGracePeriodSeconds"] = hardware.grace_s
    if selector := node_selector(pool, capacity):
        spec["nodeSelector"] = selector
    if pool.tolerations:
        spec["tolerations"] = [_without_empty(t.model_dump()) for t in pool.tolerations]
    if hardware.topology_key and not cluster.queue and hardware.nodes > 1:
        spec["affinity"] = _together(name, hardware.topology_key)
    return spec


def _without_empty(values: Object) -> Object:
    return {name: value for name, value in values.items() if value}


def _network(pool: Pool, hardware: Hardware) -> list[Object]:
    """NCCL over EFA; its own buffers need no huge pages, which a node may not have set aside."""
    if not uses_efa(pool, hardware):
        return []
    return [
        {"name": "FI_PROVIDER", "value": "efa"},
        {"name": "FI_EFA_USE_HUGE_PAGE", "value": "0"},
    ]


def _together(name: str, topology_key: str) -> Object:
    """All pods of the job where the label has one value; with Kueue, its annotation says it."""
    selector = {"matchLabels": {"app.kubernetes.io/instance": name}}
    term = {"topologyKey": topology_key, "labelSelector": selector}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
