"""Where a step is: its cluster's configuration, and the store's credentials in its environment.

The images set GOLDSMITH_CLUSTER to the name of the ConfigMap. A step reads it from its own
namespace through the API, and the Secrets that it names, so that no credential is ever in a
compiled pipeline and Kubeflow Pipelines need not know of them. A pod without rights in the API has
the path of a file there, and gets its credentials from Kubernetes.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from goldsmith.cluster.client import PATIENCE_S, Client, Object, connect
from goldsmith.config.cluster import (
    CONFIG_KEY,
    CONFIG_MAP,
    ClusterConfig,
    StoreSettings,
    load_cluster,
    parse_cluster,
)
from goldsmith.errors import ClusterError
from goldsmith.registry.signing import KEY_VARIABLE
from goldsmith.training.launcher import CLUSTER

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Keys of the store's Secret."""
SIGNING_KEY = "signing.pem"
"""Key of the signing Secret."""
_MAKE_KEY = f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {SIGNING_KEY}; "


def enter() -> ClusterConfig | None:
    """The cluster that this process runs in, its environment made ready; None on a laptop.

    Sets the variables of the store (AWS_*) and of the signing key. Doing it again changes nothing.
    """
    name = os.environ.get(CLUSTER)
    if not name:
        return None
    if "/" in name:
        cluster = load_cluster(Path(name))
        os.environ.update(store_variables(cluster.store))
        return cluster
    client = connect(patience_s=PATIENCE_S)
    cluster = read_cluster(client, name=name)
    os.environ.update(store_variables(cluster.store))
    os.environ.update(_credentials(client, cluster.store.credentials_secret))
    if cluster.signing_secret and KEY_VARIABLE not in os.environ:
        os.environ[KEY_VARIABLE] = str(_signing_key(client, cluster.signing_secret))
    return cluster


def read_cluster(client: Client, *, name: str = CONFIG_MAP) -> ClusterConfig:
    """The configuration that a release of the chart left in its namespace."""
    found = client.get("ConfigMap", name)
    if not found or CONFIG_KEY not in found.get("data", {}):
        raise ClusterError(
            f"namespace {client.namespace} has no ConfigMap {name} with {CONFIG_KEY}",
            fix="install the chart there: helm install goldsmith charts/goldsmith",
        )
    return parse_cluster(found["data"][CONFIG_KEY], source=f"ConfigMap {name}")


def secret_data(client: Client, name: str, keys: Sequence[str]) -> Object:
    """The data of a Secret; ClusterError says how to make it if one of its keys is not there."""
    data: Object = (client.get("Secret", name) or {}).get("data", {})
    if missing := [key for key in keys if key not in data]:
        values = " ".join(
            "--from-file=" + key if key == SIGNING_KEY else f"--from-literal={key}=..."
            for key in keys
        )
        first = _MAKE_KEY if SIGNING_KEY in keys else ""
        raise ClusterError(
            f"Secret {name} in namespace {client.namespace} has no {' and no '.join(missing)}",
            fix=f"{first}kubectl -n {client.namespace} create secret generic {name} {values}",
        )
    return data


def store_variables(store: StoreSettings) -> dict[str, str]:
    """What boto3 must be told to find the store; both names, since tools differ."""
    variables = {"AWS_REGION": store.region, "AWS_DEFAULT_REGION": store.region}
    return variables | ({"AWS_ENDPOINT_URL": store.endpoint} if store.endpoint else {})


def _credentials(client: Client, secret: str) -> dict[str, str]:
    if not secret:
        return {}
    data = secret_data(client, secret, CREDENTIALS)
    return {key: base64.b64decode(data[key]).decode().strip() for key in CREDENTIALS}


def _signing_key(client: Client, secret: str) -> Path:
    """The private key as a file that only this user can read."""
    data = secret_data(client, secret, (SIGNING_KEY,))
    path = Path(tempfile.mkdtemp(prefix="goldsmith-key-")) / SIGNING_KEY  # mode 0700
    path.write_bytes(base64.b64decode(data[SIGNING_KEY]))
    return path
