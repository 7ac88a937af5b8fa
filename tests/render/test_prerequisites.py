"""What a cluster needs first: valid, pinned once, and enough for the EKS values of the chart."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import helm
from charts.render import INSTALLATIONS
from tests.fixtures import schemas

ROOT = Path(__file__).resolve().parents[2] / "manifests" / "prerequisites"
README = (ROOT / "README.md").read_text()
FILES = sorted(ROOT.rglob("*.yaml"))
CAPACITY = "karpenter.sh/capacity-type"
EKS = helm.values(*INSTALLATIONS["eks"])["cluster"]


def documents(name: str) -> list[dict[str, Any]]:
    text = (ROOT / name).read_text().replace("${CLUSTER}", "goldsmith")
    return [document for document in yaml.safe_load_all(text) if document]


NODES = {d["metadata"]["name"]: d for d in documents("node-pools.yaml") if d["kind"] == "NodePool"}
CLASSES = [d for d in documents("node-pools.yaml") if d["kind"] == "EC2NodeClass"]


def offers(pool: dict[str, Any], key: str) -> list[str]:
    """Values of a label that nodes of a pool can have."""
    required = pool["spec"]["template"]["spec"]["requirements"]
    return next((r["values"] for r in required if r["key"] == key and r["operator"] == "In"), [])


@pytest.mark.parametrize(
    "document", [*NODES.values(), *CLASSES], ids=lambda d: d["metadata"]["name"]
)
def test_node_pools_are_valid(document: dict[str, Any]) -> None:
    assert schemas.mistakes(document, "1.35.0") == []


def test_a_misspelt_field_of_a_node_pool_is_not_valid() -> None:
    spec = NODES["p5"]["spec"]
    assert schemas.mistakes(NODES["p5"] | {"spec": spec | {"limit": {}}}, "1.35.0")


def test_every_node_pool_has_its_class() -> None:
    classes = {found["metadata"]["name"] for found in CLASSES}
    assert {
        pool["spec"]["template"]["spec"]["nodeClassRef"]["name"] for pool in NODES.values()
    } == classes


@pytest.mark.parametrize("tier", EKS["hardware"])
def test_every_node_that_a_tier_of_eks_asks_for_can_be_made(tier: str) -> None:
    ask = EKS["hardware"][tier]
    pool = EKS["pools"][ask["pool"]]
    capacities = {ask.get("master_capacity", "on-demand")}
    if ask["nodes"] > 1:
        capacities.add(ask.get("worker_capacity", "spot"))
    for capacity, (key, value) in product(capacities, pool["node_selector"].items()):
        fit = [
            n for n in NODES.values() if capacity in offers(n, CAPACITY) and value in offers(n, key)
        ]
        assert fit, (tier, capacity, value)
        for found in fit:
            (taint,) = found["spec"]["template"]["spec"]["taints"]
            assert any(
                t["key"] == taint["key"] and t["operator"] == "Exists" for t in pool["tolerations"]
            )
            assert found["spec"]["limits"]["nvidia.com/gpu"] >= ask["nodes"] * pool["accelerators"]


def test_gpu_nodes_are_spot_on_demand_and_reserved_and_run_nothing_else() -> None:
    gpu = {name: pool for name, pool in NODES.items() if name != "steps"}
    assert {c for pool in gpu.values() for c in offers(pool, CAPACITY)} == {
        "spot",
        "on-demand",
        "reserved",
    }
    for pool in gpu.values():
        taint = {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}
        assert pool["spec"]["template"]["spec"]["taints"] == [taint]
        assert pool["spec"]["disruption"]["consolidationPolicy"] == "WhenEmpty"
    assert "taints" not in NODES["steps"]["spec"]["template"]["spec"]


def test_pods_cannot_take_the_identity_of_their_node() -> None:
    for found in CLASSES:
        assert found["spec"]["metadataOptions"] == {
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }
    (cluster,) = documents("eks.yaml")
    assert all(group["disablePodIMDS"] for group in cluster["managedNodeGroups"])


def test_accounts_of_the_chart_get_the_store_and_nothing_else_of_ours() -> None:
    (cluster,) = documents("eks.yaml")
    given = {a["serviceAccountName"]: a for a in cluster["iam"]["podIdentityAssociations"]}
    for name in ("goldsmith-pipeline", "goldsmith-trainer"):
        statements = given[name]["permissionPolicy"]["Statement"]
        resources = {r for s in statements for r in s["Resource"] if r.endswith("/*")}
        own = {"arn:aws:s3:::${BUCKET}/store/*"}
        assert resources == own | (
            {"arn:aws:s3:::${BUCKET}-kfp/*"} if "pipeline" in name else set()
        )
        assert not any("*" in action for s in statements for action in s["Action"])
    assert helm.values(*INSTALLATIONS["eks"])["store"]["url"].endswith("/store")


def test_policies_are_enforced() -> None:
    (cluster,) = documents("eks.yaml")
    (cni,) = [addon for addon in cluster["addons"] if addon["name"] == "vpc-cni"]
    assert yaml.safe_load(cni["configurationValues"]) == {"enableNetworkPolicy": "true"}


def test_pipelines_use_no_password_and_retry_every_step() -> None:
    store, workflows = (ROOT / "kfp" / name for name in ("store.yaml", "workflows.yaml"))
    assert (
        "secretKeyRef" not in store.read_text() and "accessKeySecret" not in workflows.read_text()
    )
    (config,) = yaml.safe_load_all(workflows.read_text())
    defaults = yaml.safe_load(config["data"]["workflowDefaults"])["spec"]
    assert defaults["templateDefaults"]["retryStrategy"]["retryPolicy"] == "Always"
    assert defaults["ttlStrategy"]["secondsAfterCompletion"] >= 24 * 3600
    assert yaml.safe_load(config["data"]["artifactRepository"])["s3"]["useSDKCreds"] is True
    maps = {d["metadata"]["name"]: d for d in yaml.safe_load_all(store.read_text())}
    providers = yaml.safe_load(maps["kfp-launcher"]["data"]["providers"])
    assert providers["s3"]["default"]["credentials"] == {"fromEnv": True}
    server = maps["ml-pipeline"]["spec"]["template"]["spec"]["containers"][0]["env"]
    keys = [e for e in server if e["name"].endswith("KEY")]
    assert len(keys) == 2 and all(e["value"] == "" and e["valueFrom"] is None for e in keys)


def test_the_rights_of_runs_without_an_account_have_no_wildcard() -> None:
    overlay = yaml.safe_load((ROOT / "kfp" / "kustomization.yaml").read_text())
    (role,) = [p for p in overlay["patches"] if p.get("target", {}).get("kind") == "Role"]
    (operation,) = yaml.safe_load(role["patch"])
    assert "*" not in str(operation["value"]) and "secrets" not in str(operation["value"])


def test_kueue_counts_pytorchjobs() -> None:
    (values,) = documents("kueue.yaml")
    config = yaml.safe_load(values["managerConfig"]["controllerManagerConfigYaml"])
    assert "kubeflow.org/pytorchjob" in config["integrations"]["frameworks"]


def test_versions_of_the_table_are_those_of_the_commands_and_files() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", README, re.M)[1:]
    rest = README.split("## 0.")[1] + "".join(path.read_text() for path in FILES)
    assert len(rows) == 15
    for what, version in rows:
        assert re.search(rf"(?<![\w.-]){re.escape(version)}(?![\w.-]*\d)", rest), what
    pinned = set(re.findall(r"(?:--version |\?ref=|version: \"?)(v?[\d.]+[\w.-]*)", rest))
    assert pinned <= {version for _, version in rows}


def test_every_file_is_part_of_a_step() -> None:
    for path in FILES:
        if path.parent == ROOT:
            assert f"]({path.name})" in README and f"manifests/prerequisites/{path.name}" in README
    overlay = yaml.safe_load((ROOT / "kfp" / "kustomization.yaml").read_text())
    named = {patch["path"] for patch in overlay["patches"] if "path" in patch}
    assert named == {path.name for path in (ROOT / "kfp").glob("*.yaml")} - {"kustomization.yaml"}


def test_every_step_can_be_proved_by_one_command() -> None:
    for step in re.split(r"^## ", README, flags=re.M)[2:]:
        assert step.count("```") == 2 and len(re.findall(r"^Proof: `", step, re.M)) == 1, step[:30]
