"""What an installation of the chart creates, and what it refuses."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import HelmError
from helm_python.chart import lint

from charts import helm, readme
from charts.render import INSTALLATIONS, LOCK, ROOT, outputs
from tests.fixtures import schemas
from tests.fixtures.chart_values import cluster

EKS = helm.values(*INSTALLATIONS["eks"])
LAPTOP = helm.values(*INSTALLATIONS["laptop-cluster"])
OBJECTS = {name: helm.objects(helm.values(*files)) for name, files in INSTALLATIONS.items()}
CLUSTER_WIDE = {"PriorityClass", "ResourceFlavor", "ClusterQueue"}
METADATA = ipaddress.ip_address("169.254.169.254")
POD_IDENTITY = ipaddress.ip_address("169.254.170.23")

each_installation = pytest.mark.parametrize("objects", OBJECTS.values(), ids=OBJECTS)


def of_kind(objects: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [found for found in objects if found["kind"] in kinds]


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pod templates."""
    for job in of_kind(objects, "Job"):
        yield job["spec"]["template"]
    for cron in of_kind(objects, "CronJob"):
        yield cron["spec"]["jobTemplate"]["spec"]["template"]


def changed(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of `values` with the value at `key`, a path, set."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(values))
    node = copy
    *path, last = key.split("/")
    for name in path:
        node = node.setdefault(name, {})
    node[last] = value
    return copy


def with_kueue() -> list[dict[str, Any]]:
    """EKS with Kueue's queues."""
    values = changed(EKS, "kueue/enabled", True)
    for tier in ("silver", "bronze"):
        values = changed(values, f"cluster/hardware/{tier}/topology_key", "")
    return helm.objects(values)


@pytest.mark.parametrize("path", outputs(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_committed_file_is_what_make_render_writes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == outputs()[path]


@pytest.mark.parametrize("version", schemas.versions())
@each_installation
def test_every_object_is_valid(objects: list[dict[str, Any]], version: str) -> None:
    assert {o["metadata"]["name"]: schemas.mistakes(o, version) for o in objects} == {
        o["metadata"]["name"]: [] for o in objects
    }


def test_schemas_reach_from_the_oldest_supported_version_to_the_newest() -> None:
    assert schemas.versions()[0] == "1.31.0"
    assert len(schemas.versions()) >= 7


@pytest.mark.parametrize("kind", ["CronJob", "ClusterQueue"])
def test_a_misspelt_field_is_not_valid(kind: str) -> None:
    (found,) = of_kind(with_kueue(), kind)
    assert schemas.mistakes(found, "1.31.0") == []
    wrong = found | {"spec": found["spec"] | {"shedule": "x"}}
    assert "shedule" in schemas.mistakes(wrong, "1.31.0")[0]


@each_installation
def test_nothing_is_created_that_is_not_ours_to_create(objects: list[dict[str, Any]]) -> None:
    kinds = {found["kind"] for found in objects}
    assert not kinds & {"CustomResourceDefinition", "Secret", "Namespace", "ClusterRole"}
    for found in objects:
        assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "goldsmith"
        cluster_wide = found["kind"] in CLUSTER_WIDE
        assert found["metadata"].get("namespace") == (None if cluster_wide else helm.NAMESPACE)


@each_installation
def test_a_job_that_helm_runs_leaves_nothing_behind(objects: list[dict[str, Any]]) -> None:
    for job in of_kind(objects, "Job"):
        policy = job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policy == "before-hook-creation,hook-succeeded"
        assert job["spec"]["ttlSecondsAfterFinished"]


def test_the_config_map_is_the_cluster_that_the_values_say() -> None:
    found = cluster(OBJECTS["eks"])
    assert found.namespace == "kubeflow"
    assert found.kfp.server == "2.18"
    assert found.images.torch == EKS["images"]["torch"]
    assert found.pools["p5"].efa == 32
    assert cluster(OBJECTS["laptop-cluster"]).store.credentials_secret == "goldsmith-store"


def test_the_tiers_of_eks_stand_on_the_capacity_that_they_should() -> None:
    found = cluster(OBJECTS["eks"])
    pools = {tier: found.pools[ask.pool] for tier, ask in found.hardware.items()}
    instances = {tier: pool.instance_type for tier, pool in pools.items()}
    assert instances == {"gold": "g6.12xlarge", "silver": "p5.48xlarge", "bronze": "p5.48xlarge"}
    silver = found.hardware["silver"]
    assert (silver.master_capacity, silver.worker_capacity) == ("on-demand", "spot")
    assert (silver.nodes - 1) / silver.nodes == 0.8
    for tier, ask in found.hardware.items():
        pool = pools[tier]
        assert ask.processes_per_node == pool.accelerators
        assert ask.nodes <= pool.max_nodes
        assert ask.cpu < pool.cpu and ask.memory_gib < pool.memory_gib


@each_installation
def test_every_pod_passes_pod_security_restricted(objects: list[dict[str, Any]]) -> None:
    templates = list(pods(objects))
    assert len(templates) >= 4
    for template in templates:
        pod = template["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert all({"emptyDir", "configMap"} & set(volume) for volume in pod["volumes"])
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert "emptyDir" in next(v for v in pod["volumes"] if v["name"] == "tmp")


def rules(objects: list[dict[str, Any]], account: str) -> list[dict[str, Any]]:
    """The rules that bind an account."""
    roles = {role["metadata"]["name"]: role["rules"] for role in of_kind(objects, "Role")}
    return [
        rule
        for binding in of_kind(objects, "RoleBinding")
        for subject in binding["subjects"]
        if subject["name"] == account
        for rule in roles[binding["roleRef"]["name"]]
    ]


@each_installation
def test_no_right_has_a_wildcard(objects: list[dict[str, Any]]) -> None:
    found = [rule for role in of_kind(objects, "Role") for rule in role["rules"]]
    assert found
    for rule in found:
        assert not any("*" in "".join(values) for values in rule.values()), rule


@each_installation
def test_rights_are_no_more_than_the_work_needs(objects: list[dict[str, Any]]) -> None:
    assert rules(objects, "goldsmith-trainer") == rules(objects, "goldsmith-upload") == []
    for account in ("goldsmith-pipeline", "goldsmith-reaper"):
        for rule in rules(objects, account):
            sensitive = {"secrets", "configmaps"} & set(rule["resources"])
            assert not sensitive or (rule["resourceNames"] and rule["verbs"] == ["get"])
            assert "kserve.io" not in " ".join(rule["apiGroups"])
            writes = set(rule["verbs"]) - {"get", "list", "watch"}
            jobs = {"pytorchjobs", "jobs", "workflowtaskresults"}
            assert not writes or set(rule["resources"]) <= jobs
    reaper = {verb for rule in rules(objects, "goldsmith-reaper") for verb in rule["verbs"]}
    assert reaper == {"get", "list", "delete"}


@each_installation
def test_only_pods_that_talk_to_the_api_have_a_token(objects: list[dict[str, Any]]) -> None:
    for template in pods(objects):
        account = template["spec"]["serviceAccountName"]
        has_rights = bool(rules(objects, account))
        assert template["spec"]["automountServiceAccountToken"] is has_rights, account
    (trainer,) = [
        account
        for account in of_kind(objects, "ServiceAccount")
        if account["metadata"]["name"] == "goldsmith-trainer"
    ]
    assert trainer["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("bound", "found"), [(True, True), (False, False)])
def test_kfps_own_account_gets_our_rights_only_if_asked(bound: bool, found: bool) -> None:
    objects = helm.objects(changed(EKS, "kfp/bindDefaultAccount", bound))
    assert bool(rules(objects, "pipeline-runner")) is found


def test_helm_test_writes_as_each_account_that_uses_the_store_and_submits_nothing() -> None:
    tests = [
        job["spec"]["template"]["spec"]
        for job in of_kind(OBJECTS["laptop-cluster"], "Job")
        if job["metadata"]["annotations"]["helm.sh/hook"] == "test"
    ]
    accounts = {pod["serviceAccountName"] for pod in tests}
    assert accounts == {"goldsmith-pipeline", "goldsmith-trainer", "pipeline-runner"}
    assert {tuple(pod["containers"][0]["args"][:2]) for pod in tests} == {
        ("preflight", "--store-only")
    }


@each_installation
def test_policies_choose_our_pods_and_no_others(objects: list[dict[str, Any]]) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    assert len(policies) >= 6
    for policy in policies:
        chosen = policy["spec"]["podSelector"]["matchLabels"]
        assert chosen["app.kubernetes.io/part-of"] == "goldsmith"
    denied = [p for p in policies if not {"ingress", "egress"} & set(p["spec"])]
    (deny,) = [p for p in denied if "matchExpressions" not in p["spec"]["podSelector"]]
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for template in pods(objects):
        assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "goldsmith"


def reaches(policy: dict[str, Any], address: ipaddress.IPv4Address) -> bool:
    """Whether a policy lets pods reach an address."""
    for rule in policy["spec"].get("egress", []):
        for peer in rule.get("to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}]):
            block = peer.get("ipBlock", {"cidr": "255.255.255.255/32"})
            but = block.get("except", [])
            if address in ipaddress.ip_network(block["cidr"]) and not any(
                address in ipaddress.ip_network(left_out) for left_out in but
            ):
                return True
    return False


@each_installation
def test_no_pod_reaches_the_metadata_of_its_instance(objects: list[dict[str, Any]]) -> None:
    assert not any(reaches(policy, METADATA) for policy in of_kind(objects, "NetworkPolicy"))


@pytest.mark.parametrize(("values", "expected"), [(EKS, True), (LAPTOP, False)])
def test_the_pod_identity_agent_is_reached_only_without_keys(
    values: dict[str, Any], expected: bool
) -> None:
    policies = of_kind(helm.objects(values), "NetworkPolicy")
    assert any(reaches(policy, POD_IDENTITY) for policy in policies) is expected


def test_the_quota_counts_our_priority_class_only() -> None:
    (quota,) = of_kind(OBJECTS["eks"], "ResourceQuota")
    (scope,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    (priority,) = of_kind(OBJECTS["eks"], "PriorityClass")
    assert scope["values"] == [priority["metadata"]["name"]]
    assert cluster(OBJECTS["eks"]).priority_class == priority["metadata"]["name"]
    assert priority["preemptionPolicy"] == "Never"


def test_kueue_admits_what_the_pools_hold() -> None:
    objects = with_kueue()
    (queue,) = of_kind(objects, "ClusterQueue")
    (group,) = queue["spec"]["resourceGroups"]
    quotas = {
        flavor["name"]: {r["name"]: r["nominalQuota"] for r in flavor["resources"]}
        for flavor in group["flavors"]
    }
    flavors = {flavor["metadata"]["name"] for flavor in of_kind(objects, "ResourceFlavor")}
    assert flavors == set(quotas)
    p5 = cluster(objects).pools["p5"]
    assert quotas["goldsmith-kubeflow-p5"]["nvidia.com/gpu"] == 8 * p5.max_nodes
    assert quotas["goldsmith-kubeflow-p5"]["vpc.amazonaws.com/efa"] == 32 * p5.max_nodes
    assert quotas["goldsmith-kubeflow-g6"]["memory"] == f"{192 * 1024 * 4}Mi"


def test_jobs_go_to_the_queue_that_is_there() -> None:
    assert cluster(OBJECTS["eks"]).queue == ""
    (queue,) = of_kind(with_kueue(), "LocalQueue")
    assert cluster(with_kueue()).queue == queue["metadata"]["name"]
    assert cluster(helm.objects(changed(EKS, "kueue/queue", "of-the-team"))).queue == "of-the-team"


REFUSED = [
    pytest.param("images/steps", "a/steps:1", ["images.steps", "make lock-images"], id="tag"),
    pytest.param("images/torch", "", ["images.torch", "make lock-images"], id="unlocked"),
    pytest.param("store/url", "", ["store.url is empty", "s3://"], id="no store"),
    pytest.param("cluster/pools", {"g6": None, "g5": None, "p5": None}, ["pools"], id="no pools"),
    pytest.param("cluster/hardware/gold/pool", "g7", ["gold.pool", "g5, g6, p5"], id="no pool"),
    pytest.param("cluster/hardware/gold/memory_gib", 16, ["shared_memory_gib"], id="memory"),
    pytest.param("cluster/pools/g6/accelerator_memory_gib", 0, ["memory of one"], id="GPU"),
    pytest.param("priorityClass/enabled", False, ["quota.hard", "priorityClass"], id="quota"),
    pytest.param("kueue/enabled", True, ["bronze.topology_key", "kueue.enabled"], id="topology"),
    pytest.param("store/urll", "s3://b", ["/store", "'urll'"], id="typo"),
    pytest.param("kfp/server", "2.5", ["/kfp/server", "'2.18'"], id="server"),
    pytest.param("networkPolicies/store/port", 0, ["/port", "minimum"], id="port 0"),
    pytest.param("networkPolicies/store/port", 65_536, ["/port", "maximum"], id="port"),
    pytest.param("cluster/hardware/gold/nodes", 0, ["/gold/nodes", "0"], id="no node"),
    pytest.param("cluster/hardware/golden", {}, ["'golden'", "'gold'"], id="unknown tier"),
    pytest.param("cluster/pools/G6", {}, ["'G6'"], id="name of a pool"),
    pytest.param("quota/hard/request.cpu", 1, ["'request.cpu'"], id="resource"),
    pytest.param("reaper/schedule", "hourly", ["/reaper/schedule"], id="schedule"),
    pytest.param("priorityClass/value", 2_000_000_000, ["maximum"], id="priority of the system"),
    pytest.param("networkPolicies/store/cidr", "169.254.169.254/32", ["/cidr"], id="metadata"),
    pytest.param("networkPolicies/store/cidr", "169.0.0.0/8", ["/cidr"], id="around metadata"),
]


@pytest.mark.parametrize(("key", "value", "expected"), REFUSED)
def test_a_mistake_stops_the_installation_in_words(
    key: str, value: Any, expected: list[str]
) -> None:
    with pytest.raises(HelmError) as caught:
        helm.render(changed(EKS, key, value))
    assert all(words in str(caught.value) for words in expected), caught.value


def test_an_installation_without_values_says_what_is_needed_first() -> None:
    with pytest.raises(HelmError, match=r"store\.url is empty"):
        helm.render({})


def test_images_without_a_digest_are_taken_only_for_a_cluster_that_is_thrown_away() -> None:
    files = helm.CHART.glob("values*.yaml")
    allowing = {file.name for file in files if helm.values(file).get("images", {}).get("allowTags")}
    assert allowing == {"values-laptop-cluster.yaml"}
    assert "images" not in helm.values(helm.CHART / "values-eks.yaml")
    with pytest.raises(HelmError, match=r"images\.steps"):
        helm.render(helm.values(helm.CHART / "values-eks.yaml"))


def test_the_fixture_digests_are_used_by_nothing_that_ships() -> None:
    digest = helm.values(LOCK)["images"]["steps"].partition("@")[2]
    shipped = [path for path in helm.CHART.rglob("*") if path.is_file()]
    assert not any(digest in path.read_text(encoding="utf-8") for path in shipped)


def test_the_notes_print_the_next_commands() -> None:
    notes = helm.render(LAPTOP)["NOTES.txt"]
    assert "helm test goldsmith --namespace kubeflow" in notes
    assert "kfp --endpoint http://127.0.0.1:8888 run create" in notes
    assert "goldsmith submit --namespace kubeflow" in helm.render(EKS)["NOTES.txt"]


def test_every_value_is_documented_and_has_a_schema() -> None:
    documented = {value.key: value.description for value in readme.documented()}
    assert set(documented) == set(leaves(helm.load().values))
    assert all(documented.values())
    top = helm.load().schema["properties"]
    assert set(top) == set(helm.load().values)


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of values that are no sections; an empty mapping is a value."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_the_chart_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = helm.load().metadata
    assert metadata["version"] == metadata["appVersion"] == project["version"]


@pytest.mark.parametrize("files", INSTALLATIONS.values(), ids=INSTALLATIONS)
def test_helm_lint_finds_nothing(files: list[Path]) -> None:
    values = helm.values(*files)
    report = lint(helm.CHART, values, namespace=helm.NAMESPACE)
    assert report["errors"] == []
    assert [found for found in report["messages"] if found["severity"] > 1] == []
