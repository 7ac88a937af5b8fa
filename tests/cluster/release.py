"""One release of the chart on the cluster of KUBECONFIG, and what a person does with it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helm_python import Config, HelmError

from charts.helm import CHART, values
from goldsmith.cluster.client import KINDS, Client, Kind, Object, connect
from goldsmith.cluster.environment import CREDENTIALS, SIGNING_KEY, read_cluster, secret_data
from goldsmith.cluster.pods import PART_OF, run_selector
from goldsmith.config.cluster import ClusterConfig
from goldsmith.store.object_store import ObjectStore, open_store

KUBECONFIG = Path(os.environ.get("KUBECONFIG", "~/.kube/config")).expanduser()
KFP_NAMESPACE = "kubeflow"
OURS = (
    *("ConfigMap", "CronJob", "Job", "LimitRange", "NetworkPolicy", "Pod", "PriorityClass"),
    *("PyTorchJob", "ResourceQuota", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"),
)
"""Kinds that are looked through for what an uninstalled release left behind."""
KINDS.update(
    {
        "CronJob": Kind("batch/v1", "cronjobs"),
        "LimitRange": Kind("v1", "limitranges"),
        "Namespace": Kind("v1", "namespaces", namespaced=False),
        "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
        "ResourceQuota": Kind("v1", "resourcequotas"),
        "Role": Kind("rbac.authorization.k8s.io/v1", "roles"),
        "RoleBinding": Kind("rbac.authorization.k8s.io/v1", "rolebindings"),
        "Service": Kind("v1", "services"),
    }
)


def until(condition: Callable[[], Any], *, seconds: float, what: str, every_s: float = 1.0) -> Any:
    """The first true value of a condition; AssertionError if it stays false too long."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(every_s)
    return found


def deep(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, mapping by mapping."""
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = deep(inner, value) if isinstance(inner, dict) and value else value
    return merged


@dataclass
class Release:
    """A release in a namespace."""

    namespace: str
    name: str = "goldsmith"
    changes: dict[str, Any] = field(default_factory=dict)
    """To the values of a small cluster."""

    @cached_property
    def client(self) -> Client:
        """The Kubernetes API in the namespace."""
        return connect(self.namespace)

    @property
    def values(self) -> dict[str, Any]:
        """Those of a small cluster, with the images that GOLDSMITH_TEST_IMAGES names."""
        images = Path(os.environ.get("GOLDSMITH_TEST_IMAGES", "dist/images.yaml"))
        assert images.is_file(), f"{images} names no images: make images"
        own = os.environ.get("GOLDSMITH_TEST_VALUES", str(CHART / "values-laptop-cluster.yaml"))
        return deep(values(Path(own), images), self.changes)

    @property
    def cluster(self) -> ClusterConfig:
        """As its steps read it."""
        return read_cluster(self.client)

    @contextmanager
    def helm(self) -> Iterator[Config]:
        """Helm, in the namespace."""
        config = Config(kubeconfig_path=KUBECONFIG, namespace=self.namespace)
        try:
            yield config
        finally:
            config.close()

    def install(self) -> None:
        """`helm install`; its hooks have run when it returns."""
        with self.helm() as helm:
            helm.install(CHART, self.name, self.values, namespace=self.namespace, timeout=300)

    def upgrade(self, changes: dict[str, Any]) -> None:
        """`helm upgrade` with other values."""
        with self.helm() as helm:
            given = deep(self.values, changes)
            helm.upgrade(CHART, self.name, given, namespace=self.namespace, timeout=300)

    def rollback(self) -> None:
        """`helm rollback` to the revision before."""
        with self.helm() as helm:
            helm.rollback(self.name, timeout=300)

    @contextmanager
    def changed(self, changes: dict[str, Any]) -> Iterator[None]:
        """The release with other values, for a while."""
        self.upgrade(changes)
        try:
            yield
        finally:
            self.rollback()

    def test(self) -> None:
        """`helm test`; HelmError if a store test fails."""
        with self.helm() as helm:
            helm.test(self.name, timeout=300)

    def uninstall(self) -> None:
        """`helm uninstall`, also of a release that is not there."""
        with self.helm() as helm:
            helm.uninstall(self.name, ignore_not_found=True, timeout=120)

    def objects(self) -> list[str]:
        """Kind and name of all of ours that is in the namespace or in none."""
        found = [(kind, thing) for kind in OURS for thing in self.client.list(kind, labels=PART_OF)]
        releases = [("Secret", s) for s in self.client.list("Secret", labels="owner=helm")]
        here = [(k, t) for k, t in found if not self._is_elsewhere(t)]
        return sorted(f"{kind}/{thing['metadata']['name']}" for kind, thing in here + releases)

    def _is_elsewhere(self, thing: Object) -> bool:
        """A thing without a namespace that another release made."""
        meta = thing["metadata"]
        return "namespace" not in meta and not meta["name"].endswith(f"-{self.namespace}")

    def secrets(self) -> None:
        """The two Secrets that a person makes before the installation."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
        self._secret(self.values["store"]["credentialsSecret"], credentials())
        keys = {SIGNING_KEY: private.decode(), "signing.pub": public.decode()}
        self._secret("goldsmith-signing", keys)

    def signing_key(self, folder: Path) -> Path:
        """The file with which a person signs models as this release does."""
        data = secret_data(self.client, "goldsmith-signing", (SIGNING_KEY,))
        path = folder / SIGNING_KEY
        path.write_bytes(base64.b64decode(data[SIGNING_KEY]))
        return path

    def public_key(self, folder: Path) -> Path:
        """The file with which a person trusts the models that this release signs."""
        from cryptography.hazmat.primitives import serialization

        data = secret_data(self.client, "goldsmith-signing", (SIGNING_KEY,))
        pem = base64.b64decode(data[SIGNING_KEY])
        public = serialization.load_pem_private_key(pem, password=None).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        path = folder / "signing.pub"
        path.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
        return path

    def _secret(self, name: str, data: dict[str, str]) -> None:
        meta = {"name": name, "namespace": self.namespace}
        self.client.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}
        )

    @property
    def store(self) -> ObjectStore:
        """The store, seen from here."""
        return open_store(self.cluster.store.url)

    def goldsmith(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run the command line from here; its output, errors included."""
        command = [sys.executable, "-m", "goldsmith.cli", *arguments]
        return shell(command, code=code, **environment)

    def jobs(self, run_id: str) -> list[Object]:
        """The PyTorchJobs of a run."""
        return self.client.list("PyTorchJob", labels=run_selector(run_id))

    def leaves_no_job(self, run_id: str) -> bool:
        """Whether the jobs of a run go away: what is deleted goes after its pods."""
        return bool(until(lambda: not self.jobs(run_id), seconds=60, what=f"no job of {run_id}"))

    def pods(self, job: str) -> list[Object]:
        """The pods of a job."""
        return self.client.list("Pod", labels=f"app.kubernetes.io/instance={job}")


def shell(command: list[str], *, code: int = 0, **environment: str) -> str:
    """What a program prints; AssertionError if it does not end as it should."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def credentials() -> dict[str, str]:
    """Of the store: AWS_* of this environment, else those that KFP has for its own."""
    if all(name in os.environ for name in CREDENTIALS):
        return {name: os.environ[name] for name in CREDENTIALS}
    secret = connect(KFP_NAMESPACE).get("Secret", "mlpipeline-minio-artifact")
    assert secret, "no credentials of the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    keys = (secret["data"]["accesskey"], secret["data"]["secretkey"])
    return {
        name: base64.b64decode(key).decode() for name, key in zip(CREDENTIALS, keys, strict=True)
    }


def seen_from_here(url: str) -> str:
    """A Service's URL as its address: pods resolve its name, this machine does not."""
    parts = urlsplit(url)
    name, _, namespace = (parts.hostname or "").partition(".")
    service = connect(namespace).get("Service", name) if namespace else None
    return f"{parts.scheme}://{service['spec']['clusterIP']}:{parts.port}" if service else url


def answer(text: str) -> Any:
    """The JSON that a command printed, after its log."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line[:1] in ("{", "["))
    return json.loads("\n".join(lines[first:]))


__all__ = ["HelmError"]
