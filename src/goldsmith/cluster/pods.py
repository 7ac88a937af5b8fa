"""What all our pods have in common: labels, environment, and Pod Security "restricted"."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from goldsmith.cluster.client import Object
from goldsmith.cluster.environment import CREDENTIALS, store_variables
from goldsmith.config.cluster import ClusterConfig
from goldsmith.config.run import RunContext
from goldsmith.registry.signing import TRUST_VARIABLE

PART_OF = "app.kubernetes.io/part-of=goldsmith"
"""Selects everything of ours."""
RUN_ID = "goldsmith.dev/run-id"
USER = 1000
"""The images' user and group."""


def run_selector(run_id: str) -> str:
    """Selects the jobs and pods of one run."""
    return f"{PART_OF},{RUN_ID}={label_value(run_id)}"


def labels(run: RunContext, stage: str, *, component: str, instance: str) -> dict[str, str]:
    """Of a job and of its pods."""
    return {
        "app.kubernetes.io/part-of": "goldsmith",
        "app.kubernetes.io/name": "goldsmith",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": instance,
        RUN_ID: label_value(run.run_id),
        "goldsmith.dev/stage": stage,
        "goldsmith.dev/tier": run.tier,
    }


def label_value(text: str) -> str:
    """`text` if it can be a label, else its beginning and a hash of it."""
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", text):
        return text
    return f"{text[:50].strip('._-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def object_name(*parts: str, longest: int) -> str:
    """A DNS-1035 name of at most `longest` characters; the first part gives way, the last is kept.

    The last part is what makes the name unique, such as a digest.
    """
    tail = _slug("-".join(parts[1:]))
    head = _slug(parts[0])[: longest - len(tail) - 3].rstrip("-")
    return f"g-{head}-{tail}"


def pod_spec(
    cluster: ClusterConfig,
    container: Object,
    *,
    account: str,
    shared_memory_gib: float = 0.0,
) -> Object:
    """A pod of one container that needs no right, no privilege and no root file system."""
    volumes: list[Object] = [{"name": "scratch", "emptyDir": {}}]
    mounts: list[Object] = [{"name": "scratch", "mountPath": "/tmp"}]
    if shared_memory_gib:
        size = quantity(shared_memory_gib)
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})
    spec: Object = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                **container,
                "imagePullPolicy": cluster.images.pull_policy,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    if cluster.priority_class:
        spec["priorityClassName"] = cluster.priority_class
    return spec


def environment(cluster: ClusterConfig, *, trusted_key: str) -> list[Object]:
    """How a pod reaches the store, and whose models it trusts (a public key, PEM)."""
    plain = {"HOME": "/tmp", **store_variables(cluster.store)}
    if trusted_key:
        plain[TRUST_VARIABLE] = trusted_key
    secret = cluster.store.credentials_secret
    return [
        *variables(plain),
        *(
            {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for key in (CREDENTIALS if secret else ())
        ),
    ]


def variables(values: Mapping[str, str]) -> list[Object]:
    """As a container has them."""
    return [{"name": name, "value": value} for name, value in values.items()]


def quantity(gib: float) -> str:
    """A Kubernetes quantity of memory."""
    return f"{gib:.0f}Gi" if gib == int(gib) else f"{gib * 1024:.0f}Mi"


def cores(count: float) -> str:
    """A Kubernetes quantity of CPU."""
    return f"{count:.0f}" if count == int(count) else f"{count * 1000:.0f}m"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
