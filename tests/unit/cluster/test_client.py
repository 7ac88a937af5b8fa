"""What the API server refuses, in words: verb, account, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldsmith.cluster.client import connect
from goldsmith.errors import ClusterError
from tests.fixtures.kubernetes import FakeKubernetes, kubeconfig

FORBIDDEN = (
    'pytorchjobs.kubeflow.org is forbidden: User "system:serviceaccount:kubeflow:x" cannot create '
    'resource "pytorchjobs" in API group "kubeflow.org" in the namespace "kubeflow"'
)
REFUSALS = [
    pytest.param(
        403, FORBIDDEN, 'kubeflow:x" cannot create .*give that account the right', id="403"
    ),
    pytest.param(403, "exceeded quota: gpus", "exceeded quota: gpus$", id="quota"),
    pytest.param(
        400,
        'admission webhook "v" denied the request: bad',
        "denied the request: bad$",
        id="webhook",
    ),
    pytest.param(401, "Unauthorized", "log in to the cluster again", id="401"),
]


@pytest.mark.parametrize(("code", "message", "expected"), REFUSALS)
def test_a_refusal_names_what_failed_and_why(
    code: int, message: str, expected: str, kube: FakeKubernetes
) -> None:
    kube.refuse["PATCH", "pytorchjobs"] = (code, message)
    with pytest.raises(
        ClusterError, match=f"refuses to apply PyTorchJob j in .*{expected}"
    ) as caught:
        connect().apply({"kind": "PyTorchJob", "metadata": {"name": "j"}})
    assert caught.value.status == code


def test_a_server_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "k").write_text(kubeconfig("http://127.0.0.1:1"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "k"))
    with pytest.raises(
        ClusterError, match=r"cannot reach the Kubernetes API at http://127\.0\.0\.1:1"
    ):
        connect().get("Pod", "p")


def test_no_kubeconfig_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match=r"no cluster: .*none .*set KUBECONFIG"):
        connect()


def test_what_is_not_there_is_none_and_may_be_deleted(kube: FakeKubernetes) -> None:
    assert connect().get("Pod", "p") is None
    connect().delete("Pod", "p")


def test_a_newer_incarnation_of_the_same_name_is_not_deleted(kube: FakeKubernetes) -> None:
    job = kube.add("PyTorchJob", "j")
    connect().delete("PyTorchJob", "j", uid="of an older one")
    assert kube.get("PyTorchJob", "j") == job


def test_an_object_is_applied_by_the_server_under_our_name(kube: FakeKubernetes) -> None:
    connect().apply({"kind": "PyTorchJob", "metadata": {"name": "j"}})
    ((method, path),) = kube.requests
    assert method == "PATCH"
    where, _, how = path.partition("?")
    assert where == "/apis/kubeflow.org/v1/namespaces/kubeflow/pytorchjobs/j"
    assert how == "fieldManager=goldsmith&force=true"


def test_the_namespace_can_be_given(kube: FakeKubernetes) -> None:
    connect("other").list("Pod", labels="a=b")
    assert kube.requests == [("GET", "/api/v1/namespaces/other/pods?labelSelector=a%3Db")]
