"""The runbooks: a release is broken, and the commands of the page that fits mend it, in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from goldsmith.registry.bases import SHIPPED
from tests.cluster.release import KUBECONFIG, Release, until
from tests.cluster.serving import Serving, installed, needs_kserve, ready_replicas, swap
from tests.fixtures.version_adapters import write_versions

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "runbooks"


@pytest.fixture(name="serving", scope="module")
def _serving(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    needs_kserve(release)
    with installed(release, tmp_path_factory.mktemp("keys")) as serving:
        yield serving


def commands(page: str) -> str:
    """Every command of a page, in order."""
    text = (PAGES / page).read_text()
    return "\n".join(re.findall(r"^```\n(.*?)^```$", text, re.M | re.S))


def follow(serving: Serving, page: str, folder: Path) -> str:
    """Run a runbook as a person would, in one shell that stops at the first failure; its output."""
    public = serving.release.public_key(folder)
    settings = {
        "export NAMESPACE=kubeflow STORE=s3://goldsmith-models/store": (
            f"export NAMESPACE={serving.release.namespace} "
            f"STORE={serving.release.cluster.store.url}"
        ),
        "GOLDSMITH_TRUSTED_KEY=signing.pub": f"GOLDSMITH_TRUSTED_KEY={public}",
    }
    start = commands("README.md")
    for written, here in settings.items():
        assert written in start
        start = start.replace(written, here)
    script = f"set -euo pipefail\n{start}\n{commands(page)}"
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "KUBECONFIG": str(KUBECONFIG), "PATH": os.pathsep.join(paths)}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{page} failed:\n{script}\n\n{done.stdout}"
    return done.stdout


def test_router_overload(serving: Serving, tmp_path: Path) -> None:
    said = follow(serving, "router-overload.md", tmp_path)
    assert "goldsmith_router_waiting 0.0" in said
    assert len(serving.pods("goldsmith-silver")) == 2
    assert len(serving.pods("goldsmith-router")) == 3
    serving.upgrade()
    serving.settle()


def test_tier_down(serving: Serving, tmp_path: Path) -> None:
    """A version whose files are damaged in the store."""
    before = serving.states()["gold"].told
    version = serving.new_version("gold", tmp_path / "bad")
    serving.damage("gold", version)
    serving.promote("gold", version)
    until(lambda: serving.says_why("goldsmith-gold", "damaged"), seconds=180, what="a bad pod")
    said = follow(serving, "tier-down.md", tmp_path)
    assert f"gold: {before} is live" in said
    serving.settle()
    assert serving.states()["gold"].told == before


def test_adapter_mismatch(serving: Serving, tmp_path: Path) -> None:
    """One replica loses the adapter behind everybody's back."""
    versions = write_versions(SHIPPED / "gold", tmp_path / "adapters", count=2)
    swap(serving, versions[0].folder)
    name = swap(serving, versions[1].folder)
    address = serving.pods("goldsmith-gold")[0]["status"]["podIP"]
    url = f"http://{address}:8080/v1/unload_lora_adapter"
    assert httpx.post(url, json={"lora_name": name}, timeout=10).status_code == 200
    follow(serving, "adapter-mismatch.md", tmp_path)
    assert len(ready_replicas(serving, name)) == 2


def test_trace_volume_full(serving: Serving, tmp_path: Path) -> None:
    """A volume with room for nothing."""
    client = serving.client
    claim = client.get("PersistentVolumeClaim", "traces-goldsmith-traces-0")
    assert claim
    kind = claim["spec"]["storageClassName"]
    growing = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    found = client.get("StorageClass", kind)
    assert found
    client.apply(
        growing
        | {
            "metadata": {"name": kind},
            "provisioner": found["provisioner"],
            "allowVolumeExpansion": True,
        }
    )
    config = client.get("ConfigMap", "goldsmith-serving")
    assert config
    text = re.sub(r"max_disk_bytes: \d+", "max_disk_bytes: 1", config["data"]["serving.yaml"])
    client.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "goldsmith-serving", "namespace": client.namespace},
            "data": {"serving.yaml": text},
        }
    )
    client.delete("Pod", "goldsmith-traces-0")
    until(lambda: collects(serving) is False, seconds=120, what="a collector that is full")
    follow(serving, "trace-volume-full.md", tmp_path)
    until(lambda: collects(serving), seconds=120, what="a collector that collects")


def collects(serving: Serving) -> bool | None:
    """Whether the collector takes a trace; None if it does not answer."""
    pod = serving.client.get("Pod", "goldsmith-traces-0") or {}
    address = pod.get("status", {}).get("podIP")
    record = {"request_id": os.urandom(8).hex(), "at": 0.0, "tenant": "tests"}
    try:
        reply = httpx.post(f"http://{address}:8080/v1/traces", json=[record], timeout=5)
    except httpx.HTTPError:
        return None
    return reply.status_code == 200
