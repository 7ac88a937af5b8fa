"""What a step learns of its cluster: ConfigMap, credentials, signing key."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import yaml

from goldsmith.cluster.environment import enter
from goldsmith.config.cluster import validate_cluster
from goldsmith.errors import ClusterError, ConfigError
from tests.fixtures.clusters import cpu_values
from tests.fixtures.kubernetes import FakeKubernetes


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """`enter` changes the process's environment."""
    with mock.patch.dict(os.environ):
        for name in list(os.environ):
            if name.startswith("AWS_") or name == "GOLDSMITH_SIGNING_KEY":
                del os.environ[name]
        os.environ["GOLDSMITH_CLUSTER"] = "goldsmith-cluster"
        yield


def secret(kube: FakeKubernetes, name: str, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    kube.add("Secret", name, data=data)


@pytest.fixture(name="release")
def _release(kube: FakeKubernetes) -> FakeKubernetes:
    """What the chart and its user leave in the namespace."""
    kube.add("ConfigMap", "goldsmith-cluster", data={"cluster.yaml": yaml.safe_dump(cpu_values())})
    secret(kube, "goldsmith-store", AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key\n")
    secret(kube, "goldsmith-signing", **{"signing.pem": "-----BEGIN PRIVATE KEY-----"})
    return kube


def test_on_a_laptop_nothing_is_asked(kube: FakeKubernetes) -> None:
    del os.environ["GOLDSMITH_CLUSTER"]
    assert enter() is None
    assert kube.requests == []


def test_a_step_gets_cluster_credentials_and_key(release: FakeKubernetes) -> None:
    assert enter() == validate_cluster(cpu_values())
    assert os.environ["AWS_ACCESS_KEY_ID"] == "id"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "key"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://s3.example:9000"
    key = Path(os.environ["GOLDSMITH_SIGNING_KEY"])
    assert key.read_text() == "-----BEGIN PRIVATE KEY-----"
    assert key.parent.stat().st_mode & 0o077 == 0


def test_entering_again_changes_nothing(release: FakeKubernetes) -> None:
    enter()
    before = dict(os.environ)
    enter()
    assert dict(os.environ) == before


def test_a_pod_with_its_own_identity_reads_no_credentials(release: FakeKubernetes) -> None:
    values = cpu_values()
    values["store"] = {"url": "s3://goldsmith", "region": "eu-west-1"}
    release.add("ConfigMap", "goldsmith-cluster", data={"cluster.yaml": yaml.safe_dump(values)})
    enter()
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_a_pod_without_rights_reads_a_file(kube: FakeKubernetes, tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(cpu_values()))
    os.environ["GOLDSMITH_CLUSTER"] = str(tmp_path / "cluster.yaml")
    assert enter() == validate_cluster(cpu_values())
    assert kube.requests == []


def test_no_release_is_said_with_what_to_run(kube: FakeKubernetes) -> None:
    with pytest.raises(ClusterError, match=r"kubeflow has no ConfigMap .*helm install"):
        enter()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("goldsmith-store", "--from-literal=AWS_ACCESS_KEY_ID=", id="credentials"),
        pytest.param("goldsmith-signing", "openssl genpkey .*--from-file=signing.pem", id="key"),
    ],
)
def test_a_secret_that_is_not_there_is_said_with_how_to_make_it(
    name: str, expected: str, release: FakeKubernetes
) -> None:
    release.remove("Secret", name)
    with pytest.raises(
        ClusterError, match=f"Secret {name} in namespace kubeflow has no .*{expected}"
    ):
        enter()


def test_a_mistake_in_the_config_map_is_named(release: FakeKubernetes) -> None:
    text = yaml.safe_dump(cpu_values() | {"kfp": {"sever": "2.0"}})
    release.add("ConfigMap", "goldsmith-cluster", data={"cluster.yaml": text})
    with pytest.raises(ConfigError, match=r"did you mean kfp\.server"):
        enter()
