"""`ClusterConfig` says where a run happens: store, images, node pools, hardware of each tier.

The chart renders it into the ConfigMap `goldsmith-cluster`, from which every step reads it. What a
run does is `RunConfig`; no setting is in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, ValidationError, model_validator

from goldsmith.config.load import explain_mistake, parse_mapping, read_config
from goldsmith.config.run import Section, Tier

CONFIG_MAP = "goldsmith-cluster"
"""The one ConfigMap of a release; fixed, so that a step finds it in its own namespace."""
CONFIG_KEY = "cluster.yaml"

Capacity = Literal["spot", "on-demand", "reserved"]
"""`reserved`: out of a capacity block or reservation."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label."""
OptionalName = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$")]


class StoreSettings(Section):
    """The object store that a run reads and writes."""

    url: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[^/]+)*$")]
    """`s3://bucket/prefix`."""
    endpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    """URL of an S3 that is not Amazon's; empty: Amazon's."""
    region: str = "us-east-1"
    credentials_secret: OptionalName = ""
    """Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; empty: the pod's own identity (EKS
    Pod Identity or IRSA)."""


class ClusterImages(Section):
    """What the pods run."""

    steps: Annotated[str, Field(min_length=1)]
    """Thin steps: no torch."""
    torch: Annotated[str, Field(min_length=1)]
    """Training and evaluation."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"


class ServiceAccounts(Section):
    """Whose rights the pods have."""

    pipeline: Name = "goldsmith-pipeline"
    """Every step of a run."""
    trainer: Name = "goldsmith-trainer"
    """Training pods: the store and nothing of the API."""


class KFPSettings(Section):
    """Where Kubeflow Pipelines is, and what it can do."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    """URL of its API as pods see it; empty: `http://ml-pipeline.<namespace>:8888`."""
    server: Literal["2.0", "2.18"] = "2.18"
    """Level of the server: 2.0 has no exit handlers, tolerations or secrets on steps."""


class Toleration(Section):
    """A taint that pods of a pool tolerate."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class Pool(Section):
    """A kind of node that jobs can ask for, and what one node has."""

    instance_type: str = ""
    accelerators: int = Field(default=0, ge=0)
    """GPUs (`nvidia.com/gpu`) of a node; 0: a CPU pool."""
    accelerator_memory_gib: float = Field(default=0.0, ge=0)
    """Memory of one GPU."""
    cpu: float = Field(gt=0)
    memory_gib: float = Field(gt=0)
    efa: int = Field(default=0, ge=0)
    """EFA interfaces (`vpc.amazonaws.com/efa`) of a node; jobs of several nodes take them all."""
    spot_price: float = Field(default=0.0, ge=0)
    """USD an hour and node."""
    on_demand_price: float = Field(default=0.0, ge=0)
    """USD an hour and node."""
    max_nodes: PositiveInt = 1
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the pool's nodes."""
    tolerations: tuple[Toleration, ...] = ()

    @model_validator(mode="after")
    def _accelerators_have_memory(self) -> Self:
        if self.accelerators and not self.accelerator_memory_gib:
            raise ValueError("a pool with accelerators needs accelerator_memory_gib")
        return self


class Hardware(Section):
    """What a training job of one tier asks for."""

    pool: Name
    nodes: PositiveInt = 1
    """Pods of a job, one a node, the master included."""
    processes_per_node: PositiveInt = 1
    """Training processes (ranks) of a pod, one a GPU where there are GPUs; times `nodes` it must
    be the stage's `processes`."""
    cpu: float = Field(gt=0)
    """Cores of a pod."""
    memory_gib: float = Field(gt=0)
    """Memory of a pod, `shared_memory_gib` included."""
    shared_memory_gib: float = Field(default=1.0, gt=0)
    """Size of /dev/shm, where the processes of a pod exchange data."""
    worker_capacity: Capacity = "spot"
    master_capacity: Capacity = "on-demand"
    """The job ends when its master ends, so that one is not left to the spot market."""
    grace_s: int = Field(default=110, ge=0)
    """Between SIGTERM and SIGKILL of a pod; a spot instance is reclaimed after 120 s."""
    deadline_s: PositiveInt = 86_400
    """A job that is not done so long after its first start is stopped, and its run fails."""
    pending_s: int = Field(default=900, ge=0)
    """How long a pod may wait for a node or an image before its job is given up; a new GPU node
    takes minutes."""
    silence_s: int = Field(default=1800, ge=0)
    """How long a job may tell no progress before its pods are started again; 0: for ever."""
    max_restarts: int = Field(default=3, ge=0)
    """Restarts without a newer checkpoint after which a job is stopped."""
    topology_key: str = ""
    """Node label whose value all pods of a job should share, such as
    `topology.kubernetes.io/zone`."""

    @model_validator(mode="after")
    def _shared_memory_is_memory(self) -> Self:
        if self.shared_memory_gib >= self.memory_gib:
            raise ValueError("shared_memory_gib is part of memory_gib and must be smaller")
        return self


class ClusterConfig(Section):
    """One cluster, as one release of the chart sees it."""

    namespace: Name
    """Of the release, and of the workflows that Kubeflow Pipelines runs."""
    store: StoreSettings
    signing_secret: OptionalName = "goldsmith-signing"
    """Secret with the private key `signing.pem` that signs models, one for all runs; empty: each
    step has a key of its own, which no other step trusts."""
    images: ClusterImages
    service_accounts: ServiceAccounts = ServiceAccounts()
    kfp: KFPSettings = KFPSettings()
    queue: OptionalName = ""
    """Kueue LocalQueue of the jobs; empty: no Kueue."""
    priority_class: OptionalName = ""
    """PriorityClass of the jobs' pods; empty: the cluster's default."""
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]
    """Name to node pool."""
    hardware: Annotated[dict[Tier, Hardware], Field(min_length=1)]
    """Tier to what its jobs ask for."""
    big_data_bytes: PositiveInt = 2**30
    """A data set above this is validated by a Job of its own."""

    @model_validator(mode="after")
    def _pools_exist(self) -> Self:
        for tier, hardware in self.hardware.items():
            if hardware.pool not in self.pools:
                names = ", ".join(sorted(self.pools))
                raise ValueError(
                    f"hardware.{tier}.pool is {hardware.pool!r}, and there is no such pool; "
                    f"there are: {names}"
                )
        return self

    @property
    def kfp_url(self) -> str:
        """URL of the pipeline API as pods see it."""
        return self.kfp.endpoint or f"http://ml-pipeline.{self.namespace}:8888"


def load_cluster(file: Path) -> ClusterConfig:
    """The cluster that a YAML file describes; ConfigError on a mistake."""
    return parse_cluster(read_config(file), source=str(file))


def parse_cluster(text: str, *, source: str) -> ClusterConfig:
    """`text` as a ClusterConfig; ConfigError names the first mistake and what would be right."""
    return validate_cluster(parse_mapping(text, source=source))


def validate_cluster(values: dict[str, Any]) -> ClusterConfig:
    """`values` as a ClusterConfig; ConfigError as in `parse_cluster`."""
    try:
        return ClusterConfig.model_validate(values)
    except ValidationError as error:
        raise explain_mistake(error, ClusterConfig) from None
