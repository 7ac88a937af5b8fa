"""Each thing that a cluster can lack is said in words, with what to run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from goldsmith.cluster.client import KINDS, connect
from goldsmith.cluster.preflight import Finding, preflight
from goldsmith.config.cluster import ClusterConfig
from goldsmith.store.object_store import open_store
from tests.fixtures import clusters
from tests.fixtures.kubernetes import FakeKubernetes
from tests.fixtures.pipelines import FakePipelines, kfp_fixture  # noqa: F401  # a fixture

SECRETS = {
    "goldsmith-store": {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    "goldsmith-signing": {"signing.pem": ""},
}


@pytest.fixture(name="cluster_of_ours")
def _cluster(kube: FakeKubernetes, kfp: FakePipelines) -> FakeKubernetes:
    """One that lacks nothing: two GPU pools of both capacities, all operators, all objects."""
    kfp.tag = "2.18.1"
    for place in KINDS.values():
        kube.served.setdefault(place.api, set()).add(place.plural)
    for name in ("goldsmith-pipeline", "goldsmith-trainer"):
        kube.add("ServiceAccount", name)
    for name, data in SECRETS.items():
        kube.add("Secret", name, data=data)
    kube.add("LocalQueue", "goldsmith")
    kube.add("PriorityClass", "goldsmith-training")
    for kind, gpus in (("g6.12xlarge", 4), ("p5.48xlarge", 8)):
        for capacity in ("spot", "on-demand"):
            labels = {
                "node.kubernetes.io/instance-type": kind,
                "karpenter.sh/capacity-type": capacity,
            }
            status = {"allocatable": {"nvidia.com/gpu": str(gpus)}}
            kube.add("Node", f"{kind}-{capacity}", metadata={"labels": labels}, status=status)
    return kube


def findings(
    kfp: FakePipelines, tmp_path: Path, cluster: ClusterConfig | None = None
) -> dict[str, Finding]:
    store = open_store(str(tmp_path / "store"))
    found = preflight(cluster or clusters.eks(), connect(), store, kfp_url=kfp.url)
    return {finding.check: finding for finding in found}


def test_a_cluster_that_lacks_nothing_is_fit(
    cluster_of_ours: FakeKubernetes, kfp: FakePipelines, tmp_path: Path
) -> None:
    found = findings(kfp, tmp_path)
    assert {f.verdict for f in found.values()} == {"ok"}, found
    assert set(open_store(str(tmp_path / "store")).list("")) == set()


def without(kind: str, name: str = "") -> Callable[[FakeKubernetes], None]:
    """A cluster that does not serve a kind, or does not hold an object."""

    def change(kube: FakeKubernetes) -> None:
        if name:
            kube.remove(kind, name)
        else:
            kube.served[KINDS[kind].api].remove(KINDS[kind].plural)

    return change


def _old(kube: FakeKubernetes) -> None:
    kube.minor = "30+"


def _no_right(kube: FakeKubernetes) -> None:
    kube.forbidden.add(("create", "pytorchjobs"))


def _no_spot(kube: FakeKubernetes) -> None:
    kube.remove("Node", "p5.48xlarge-spot")
    kube.served[KINDS["NodePool"].api].remove("nodepools")


LACKS = [
    (_old, "kubernetes", r"Kubernetes 1\.30; use 1\.31 or newer"),
    (
        without("PyTorchJob"),
        "training operator",
        r"no CRD pytorchjobs\.kubeflow\.org; .*manifests/prerequisites/README\.md",
    ),
    (without("Workflow"), "workflows", r"no CRD workflows\.argoproj\.io"),
    (without("LocalQueue"), "queue", "Kueue is not installed"),
    (without("LocalQueue", "goldsmith"), "queue", "no LocalQueue goldsmith"),
    (without("PriorityClass", "goldsmith-training"), "priority class", "no PriorityClass"),
    (without("ServiceAccount", "goldsmith-trainer"), "accounts", "no ServiceAccount goldsmith-tr"),
    (without("Secret", "goldsmith-signing"), "signing key", "openssl genpkey"),
    (_no_right, "rights", "goldsmith-pipeline may not create PyTorchJob; helm"),
    (_no_spot, "nodes for silver", "no node for spot p5 .*add nodes with these labels"),
]


@pytest.mark.parametrize(("change", "check", "expected"), LACKS, ids=[row[2] for row in LACKS])
def test_what_is_missing_is_wrong_and_said(
    change: Callable[[FakeKubernetes], None],
    check: str,
    expected: str,
    cluster_of_ours: FakeKubernetes,
    kfp: FakePipelines,
    tmp_path: Path,
) -> None:
    change(cluster_of_ours)
    found = findings(kfp, tmp_path)[check]
    assert found.verdict == "wrong"
    assert re.search(expected, found.message), found.message


def test_no_kserve_is_only_a_note(
    cluster_of_ours: FakeKubernetes, kfp: FakePipelines, tmp_path: Path
) -> None:
    without("InferenceService")(cluster_of_ours)
    assert findings(kfp, tmp_path)["kserve"].verdict == "note"


def test_nodes_that_karpenter_can_make_are_only_a_note(
    cluster_of_ours: FakeKubernetes, kfp: FakePipelines, tmp_path: Path
) -> None:
    cluster_of_ours.remove("Node", "g6.12xlarge-on-demand")
    cluster_of_ours.add("NodePool", "gpu")
    found = findings(kfp, tmp_path)["nodes for gold"]
    assert (found.verdict, "Karpenter may make them: gpu" in found.message) == ("note", True)


def test_an_older_pipeline_server_than_configured_is_wrong(
    cluster_of_ours: FakeKubernetes, kfp: FakePipelines, tmp_path: Path
) -> None:
    kfp.tag = "2.0.5"
    found = findings(kfp, tmp_path)["pipelines"]
    assert (found.verdict, "kfp.server says 2.18" in found.message) == ("wrong", True)
    old = findings(kfp, tmp_path, clusters.cpu())["pipelines"]
    assert (old.verdict, "known holes" in old.message) == ("note", True)


def test_a_pipeline_server_that_is_away_is_said(
    cluster_of_ours: FakeKubernetes, kfp: FakePipelines, tmp_path: Path
) -> None:
    kfp.url = "http://127.0.0.1:1"
    found = findings(kfp, tmp_path)["pipelines"]
    assert (found.verdict, "kubectl port-forward" in found.message) == ("wrong", True)


def test_without_the_right_to_ask_for_the_account_one_asks_for_oneself(
    cluster_of_ours: FakeKubernetes, kfp: FakePipelines, tmp_path: Path
) -> None:
    cluster_of_ours.refuse["POST", "subjectaccessreviews"] = (403, "forbidden")
    found = findings(kfp, tmp_path)["rights"]
    assert found.message == "this account may run jobs and read their pods"
