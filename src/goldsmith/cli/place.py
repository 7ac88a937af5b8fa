"""Which cluster a verb means: a file, the ConfigMap of a release, and the way to its services."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from goldsmith.cluster.client import Client, connect
from goldsmith.cluster.environment import read_cluster, store_variables
from goldsmith.config.cluster import CONFIG_MAP, ClusterConfig, load_cluster
from goldsmith.training.launcher import CLUSTER

ClusterOption = Annotated[
    Path | None,
    typer.Option("--cluster", help="A cluster's YAML file, instead of its ConfigMap."),
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Of the release; the kubeconfig's by default.")
]
KFPOption = Annotated[
    str,
    typer.Option(
        "--kfp", envvar="KF_PIPELINES_ENDPOINT", help="URL of Kubeflow Pipelines, seen from here."
    ),
]


def cluster_at(file: Path | None, *, namespace: str = "") -> ClusterConfig:
    """The cluster of the flag, else of GOLDSMITH_CLUSTER, else of the release in a namespace."""
    told = os.environ.get(CLUSTER, "")
    if file is None and "/" in told:
        file = Path(told)
    if file is not None:
        return load_cluster(file)
    return read_cluster(connect(namespace), name=told or CONFIG_MAP)


def client_of(cluster: ClusterConfig) -> Client:
    """The Kubernetes API in the cluster's namespace."""
    return connect(cluster.namespace)


def reach_store(cluster: ClusterConfig) -> None:
    """Find the cluster's store from here too, unless this shell says where it is seen from here."""
    for name, value in store_variables(cluster.store).items():
        os.environ.setdefault(name, value)
