"""What an installation creates to serve, and what it refuses."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import HelmError
from typer.main import get_command

from charts import helm
from charts.render import INSTALLATIONS
from goldsmith.cli import app
from goldsmith.cluster.rollout import VERSION, service_name, version_patch
from goldsmith.config.serving import TierSettings
from goldsmith.serving.engines import ENGINES, StartOptions
from tests.fixtures import schemas
from tests.fixtures.serving_chart import (
    TIERS,
    Object,
    Pod,
    enters,
    named,
    of_kind,
    pods,
    reaches,
    serving_config,
    transformer_form,
)

SMALL = helm.values(*INSTALLATIONS["laptop-cluster-serving"])
EKS = helm.values(*INSTALLATIONS["eks-serving"])
OBJECTS = {"laptop-cluster": helm.objects(SMALL), "eks": helm.objects(EKS)}
SOURCES = Path(__file__).resolve().parents[2] / "src"
KSERVE = ("InferenceService", "ServingRuntime")

each_installation = pytest.mark.parametrize("objects", OBJECTS.values(), ids=OBJECTS)


def changed(values: Object, **changes: Any) -> Object:
    """A copy of `values` with the values at some places set, or removed; `__` is between keys."""
    copy: Object = yaml.safe_load(yaml.safe_dump(values))
    for place, value in changes.items():
        node = copy
        *path, last = place.split("__")
        for key in path:
            node = node.setdefault(key, {})
        if value is None:
            del node[last]
        else:
            node[last] = value
    return copy


def with_tensorrt() -> list[Object]:
    """EKS with silver on TensorRT-LLM."""
    return helm.objects(changed(EKS, serving__tiers__silver__engine="tensorrt-llm"))


@pytest.mark.parametrize("name", ["laptop-cluster", "eks"])
def test_an_installation_that_does_not_serve_has_nothing_of_it(name: str) -> None:
    plain = helm.objects(helm.values(*INSTALLATIONS[name]))
    serving = OBJECTS[name]
    assert not of_kind(plain, *KSERVE, "Deployment", "StatefulSet", "Service")
    assert [found for found in serving if found in plain] == plain


@each_installation
def test_there_is_a_service_for_the_router_and_for_each_tier(objects: list[Object]) -> None:
    names = {found["metadata"]["name"] for found in of_kind(objects, "InferenceService")}
    assert names == {"goldsmith-router", *map(service_name, TIERS)}
    for found in of_kind(objects, "InferenceService"):
        notes = found["metadata"]["annotations"]
        assert notes["serving.kserve.io/deploymentMode"] == "Standard"


@each_installation
def test_the_config_map_is_the_configuration_that_the_values_say(objects: list[Object]) -> None:
    config = serving_config(objects)
    assert set(config.tiers) == set(TIERS)
    assert (config.router.port, config.router.admin_port) == (8080, 8081)
    (collector,) = of_kind(objects, "StatefulSet")
    (mount,) = [
        mount
        for mount in collector["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        if mount["name"] == "traces"
    ]
    assert config.traces.directory == mount["mountPath"]


def test_the_volume_of_traces_is_larger_than_what_the_collector_puts_there() -> None:
    for gib in (1, 10, 333):
        config = serving_config(helm.objects(changed(SMALL, serving__traces__volumeGib=gib)))
        assert 0.75 * gib * 2**30 < config.traces.max_disk_bytes < 0.85 * gib * 2**30


@each_installation
def test_every_name_in_the_configuration_is_a_headless_service(objects: list[Object]) -> None:
    config = serving_config(objects)
    urls = [url for settings in config.tiers.values() for url in settings.endpoints]
    for url in [*urls, *config.adapters.routers, config.traces.collector]:
        name, _, port = url.partition("://")[2].partition(":")
        service = named(objects, "Service", name)["spec"]
        assert service["clusterIP"] == "None"
        assert [each["port"] for each in service["ports"]] == [int(port)]


@each_installation
def test_a_headless_service_has_the_pods_that_kserve_makes(objects: list[Object]) -> None:
    for name in ("goldsmith-router", *map(service_name, TIERS)):
        label = {"app": f"isvc.{name}-predictor"}
        service = "goldsmith-router-admin" if name == "goldsmith-router" else f"{name}-replicas"
        assert named(objects, "Service", service)["spec"]["selector"] == label
        budget = named(objects, "PodDisruptionBudget", name)["spec"]
        assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": label}}


def test_the_admin_port_is_no_port_of_the_routers_service() -> None:
    """KServe publishes every port that a container names."""
    router = named(OBJECTS["eks"], "InferenceService", "goldsmith-router")["spec"]["predictor"]
    (container,) = router["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [8080]


@each_installation
def test_every_pod_passes_pod_security_restricted(objects: list[Object]) -> None:
    found = list(pods(objects))
    assert len(found) >= 7
    for pod in found:
        assert pod.labels["app.kubernetes.io/part-of"] == "goldsmith"
        security = pod.spec["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 1000)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*pod.containers, *pod.spec.get("initContainers", ())):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (pod.name, container["name"])
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        kinds = {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}
        assert all(kinds & set(volume) for volume in pod.spec["volumes"])


@each_installation
def test_every_mount_has_its_volume(objects: list[Object]) -> None:
    for pod in pods(objects):
        volumes = {volume["name"] for volume in pod.spec["volumes"]}
        volumes |= {"traces"} if pod.name == "goldsmith-traces" else set()
        for container in (*pod.containers, *pod.spec.get("initContainers", ())):
            mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
            assert mounted <= volumes, (pod.name, container["name"])


def test_every_image_is_pinned_by_digest() -> None:
    for objects in (OBJECTS["eks"], with_tensorrt()):
        for pod in pods(objects):
            for container in (*pod.containers, *pod.spec.get("initContainers", ())):
                assert "@sha256:" in container["image"], (pod.name, container["name"])


@each_installation
def test_a_service_account_is_there_for_each_pod(objects: list[Object]) -> None:
    there = {found["metadata"]["name"] for found in of_kind(objects, "ServiceAccount")}
    used = {pod.spec["serviceAccountName"] for pod in pods(objects)}
    assert used <= there
    assert len(used) == 5


@each_installation
def test_only_the_rollout_controller_may_ask_the_api_for_anything(objects: list[Object]) -> None:
    bound = {
        subject["name"]: binding["roleRef"]["name"]
        for binding in of_kind(objects, "RoleBinding")
        for subject in binding["subjects"]
    }
    for pod in pods(objects):
        account = pod.spec["serviceAccountName"]
        is_rollout = account == "goldsmith-rollout"
        assert pod.spec["automountServiceAccountToken"] is is_rollout, pod.name
        assert (account in bound) is is_rollout
    rules = named(objects, "Role", "goldsmith-rollout")["rules"]
    services = {*map(service_name, TIERS)}
    deployments = {f"{name}-predictor" for name in services}
    assert [(r["resources"], set(r["resourceNames"]), r["verbs"]) for r in rules] == [
        (["inferenceservices"], services, ["get", "patch"]),
        (["deployments"], deployments, ["get"]),
    ]


def test_every_account_gets_its_part_of_the_store_on_eks() -> None:
    path = SOURCES.parent / "manifests" / "prerequisites" / "eks.yaml"
    given = {
        each["serviceAccountName"]: each["permissionPolicy"]["Statement"]
        for each in yaml.safe_load(path.read_text())["iam"]["podIdentityAssociations"]
        if "permissionPolicy" in each
    }
    parts = {
        "engine": {"models", "aliases"},
        "adapters": {"models", "aliases"},
        "rollout": {"models", "aliases"},
        "router": {"jobs"},
        "traces": {"traces"},
    }
    for name, found in parts.items():
        rules = [rule for rule in given[f"goldsmith-{name}"] if rule["Action"] != ["s3:ListBucket"]]
        objects = {resource for rule in rules for resource in rule["Resource"]}
        assert objects == {f"arn:aws:s3:::${{BUCKET}}/store/{part}/*" for part in found}
        reads = {action for rule in rules for action in rule["Action"]} == {"s3:GetObject"}
        assert reads is ("models" in found)


COMPONENTS = ("router", "tier", "adapters", "traces", "rollout", "training", "upload")
CONNECTIONS = {
    *(("router", "tier", 8080), ("router", "traces", 8080)),
    *(("adapters", "tier", 8080), ("adapters", "tier", 8090), ("adapters", "router", 8081)),
}


@each_installation
def test_pods_reach_each_other_only_where_they_must(objects: list[Object]) -> None:
    found = {
        (source, target, port)
        for source in COMPONENTS
        for target in COMPONENTS
        for port in (8080, 8081, 8090)
        if reaches(objects, source, target, port)
    }
    assert found - {("training", "training", port) for port in (8080, 8081, 8090)} == CONNECTIONS


@each_installation
@pytest.mark.parametrize(("target", "port"), [("tier", 8090), ("router", 8081)])
def test_the_adapter_controllers_ports_are_for_it_alone(
    objects: list[Object], target: str, port: int
) -> None:
    """Whatever the others' policies let out."""
    entering = {source for source in COMPONENTS if enters(objects, source, target, port)}
    assert entering == {"adapters"}


@each_installation
def test_the_version_is_nothing_that_the_chart_sets(objects: list[Object]) -> None:
    """An upgrade would undo what the rollout controller did."""
    for tier in TIERS:
        service = named(objects, "InferenceService", service_name(tier))
        assert "annotations" not in service["spec"]["predictor"]
        (patched,) = version_patch(tier, "v-1", "kubeflow")["spec"]["predictor"]["annotations"]
        assert patched == VERSION
        path = f"metadata.annotations['{VERSION}']"
        for container in service["spec"]["predictor"]["initContainers"]:
            fields = {e["name"]: e.get("valueFrom", {}) for e in container["env"]}
            assert fields["GOLDSMITH_VERSION"] == {"fieldRef": {"fieldPath": path}}


@each_installation
def test_model_files_come_by_our_own_step_and_by_no_url(objects: list[Object]) -> None:
    for tier in TIERS:
        predictor = named(objects, "InferenceService", service_name(tier))["spec"]["predictor"]
        (fetch,) = predictor["initContainers"]
        assert fetch["command"] == ["python", "-m", "goldsmith.cluster.model_files"]
        assert fetch["args"] == [tier, "$(GOLDSMITH_VERSION)", "/mnt/models"]
        uri = predictor.get("model", {}).get("storageUri", "")
        assert uri in ("", f"pvc://goldsmith-{tier}-models")


def options(command: list[str]) -> dict[str, list[str]]:
    """Each option of a command line and all that was said after it; what comes first under ``."""
    found: dict[str, list[str]] = {"": []}
    last = ""
    for word in command:
        if word.startswith("--"):
            last = word
            found.setdefault(last, [])
        else:
            found[last].append(word)
    return found


def engine_pod(objects: list[Object], tier: str) -> Pod:
    (found,) = [pod for pod in pods(objects) if pod.name == service_name(tier)]
    return found


@pytest.mark.parametrize(
    ("objects", "tier", "adapters"),
    [
        pytest.param(OBJECTS["laptop-cluster"], "gold", True, id="builtin-with-adapters"),
        pytest.param(OBJECTS["laptop-cluster"], "silver", False, id="builtin"),
        pytest.param(OBJECTS["eks"], "gold", True, id="vllm-with-adapters"),
        pytest.param(OBJECTS["eks"], "silver", False, id="vllm"),
        pytest.param(with_tensorrt(), "silver", False, id="tensorrt-llm"),
    ],
)
def test_an_engine_is_started_as_its_adapter_says(
    objects: list[Object], tier: str, adapters: bool
) -> None:
    config = serving_config(objects)
    settings: TierSettings = config.tiers[tier]  # type: ignore[index]  # a tier
    start = StartOptions(
        names=(tier, "$(GOLDSMITH_VERSION)"),
        host="0.0.0.0",
        context=settings.context,
        slots=settings.slots,
        adapters_root=Path("/mnt/adapters") if adapters else None,
        max_loras=config.adapters.max_loaded,
        max_lora_rank=16,
    )
    engine = ENGINES[settings.engine]
    wanted = options(engine.command(Path("/mnt/models/$(GOLDSMITH_VERSION)"), 8080, start))
    container = engine_pod(objects, tier).containers[0]
    found = options([*container["command"], *container["args"]])
    if settings.engine == "tensorrt-llm":
        wanted["--config"] = ["/etc/goldsmith/trtllm.yaml"]
    assert found.pop("")[-1] == wanted.pop("")[-1]
    assert found == wanted
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    if settings.engine != "builtin":
        needed = engine.environment(start)
        assert needed.items() <= given.items()


def test_tensorrt_llm_gets_the_settings_of_its_adapter() -> None:
    shipped = SOURCES / "goldsmith" / "serving" / "engines" / "trtllm.yaml"
    text = named(with_tensorrt(), "ConfigMap", "goldsmith-serving")["data"]["trtllm.yaml"]
    assert yaml.safe_load(text) == yaml.safe_load(shipped.read_text())


def test_a_tier_of_several_nodes_has_a_head_workers_and_one_volume() -> None:
    objects = OBJECTS["eks"]
    predictor = named(objects, "InferenceService", "goldsmith-bronze")["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (1, 1)
    worker = predictor["workerSpec"]
    assert (worker["pipelineParallelSize"], worker["tensorParallelSize"]) == (3, 8)
    volume = named(objects, "PersistentVolumeClaim", "goldsmith-bronze-models")["spec"]
    assert volume["accessModes"] == ["ReadWriteMany"]
    for spec in (predictor, worker):
        claims = [v["persistentVolumeClaim"] for v in spec["volumes"] if v["name"] == "models"]
        assert claims == [{"claimName": "goldsmith-bronze-models"}]
    runtime = named(objects, "ServingRuntime", predictor["model"]["runtime"])["spec"]
    assert "workerSpec" in runtime
    nodes = named(objects, "NetworkPolicy", "goldsmith-bronze-nodes")["spec"]
    assert nodes["ingress"][0]["from"][0]["podSelector"] == nodes["podSelector"]


def test_a_tier_on_spot_has_as_many_replicas_on_demand() -> None:
    gold = named(OBJECTS["eks"], "InferenceService", "goldsmith-gold")["spec"]["predictor"]
    spread = {each["topologyKey"]: each for each in gold["topologySpreadConstraints"]}
    assert spread["karpenter.sh/capacity-type"]["whenUnsatisfiable"] == "DoNotSchedule"
    assert gold["terminationGracePeriodSeconds"] <= 120
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in gold[
        "tolerations"
    ]


@each_installation
def test_a_pod_has_time_to_end_its_requests(objects: list[Object]) -> None:
    for pod in pods(objects):
        pause = pod.containers[0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        if pod.labels["app.kubernetes.io/component"] in ("router", "tier") and pause:
            left = pod.spec["terminationGracePeriodSeconds"] - pause["seconds"]
            assert left >= serving_config(objects).router.drain_s


def test_a_tier_scales_by_what_runs_and_waits() -> None:
    gold = named(OBJECTS["eks"], "InferenceService", "goldsmith-gold")
    assert gold["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "keda"
    (metric,) = gold["spec"]["predictor"]["autoScaling"]["metrics"]
    assert metric["external"]["target"]["value"] == "48"
    assert "goldsmith-gold-predictor" in metric["external"]["metric"]["query"]
    silver = named(OBJECTS["eks"], "InferenceService", "goldsmith-silver")
    assert silver["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"


def test_the_router_scales_by_its_cpus_if_asked() -> None:
    objects = helm.objects(changed(EKS, serving__router__maxReplicas=5))
    router = named(objects, "InferenceService", "goldsmith-router")
    assert router["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "hpa"
    predictor = router["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 5)
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("cpu", 60)


def test_a_tier_can_be_at_zero() -> None:
    objects = helm.objects(changed(SMALL, serving__tiers__silver__replicas=0))
    silver = named(objects, "InferenceService", "goldsmith-silver")["spec"]["predictor"]
    assert (silver["minReplicas"], silver["maxReplicas"]) == (0, 1)
    assert "silver" in serving_config(objects).tiers


def test_pods_start_again_when_their_configuration_changes() -> None:
    def hashes(objects: list[Object]) -> dict[str, str]:
        key = "goldsmith.dev/config"
        found = {
            each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"][key]
            for each in of_kind(objects, "Deployment", "StatefulSet")
        }
        router = named(objects, "InferenceService", "goldsmith-router")["spec"]["predictor"]
        return found | {"router": router["annotations"][key]}

    before = hashes(OBJECTS["laptop-cluster"])
    after = hashes(helm.objects(changed(SMALL, serving__config__router__retries=1)))
    assert len(before) == 4
    assert all(before[name] != after[name] for name in before)


def test_the_identity_provider_is_reached_only_where_there_is_one() -> None:
    jwt = {"jwks": "https://id.example/keys", "issuer": "i", "audience": "a"}
    objects = helm.objects(changed(EKS, serving__config__credentials__jwt=jwt))
    egress = named(objects, "NetworkPolicy", "goldsmith-router")["spec"]["egress"]
    before = named(OBJECTS["eks"], "NetworkPolicy", "goldsmith-router")["spec"]["egress"]
    assert len(egress) == len(before) + 1
    assert egress[-1]["to"][0]["ipBlock"]["except"] == ["169.254.0.0/16"]


COMMANDS = {
    (*container["command"], *container["args"])
    for objects in OBJECTS.values()
    for pod in pods(objects)
    for container in (*pod.containers, *pod.spec.get("initContainers", ()))
    if container["command"][0] in ("python", "goldsmith")
}


@pytest.mark.parametrize("command", sorted(COMMANDS), ids=lambda command: " ".join(command[:4]))
def test_every_program_that_a_pod_runs_is_there(command: tuple[str, ...]) -> None:
    """As a module that runs, or as a verb of the command line that takes these options."""
    if command[0] == "python":
        path = SOURCES.joinpath(*command[2].split("."))
        sources = [path / "__main__.py", path.with_suffix(".py")]
        (source,) = [each for each in sources if each.is_file()]
        assert isinstance(ast.parse(source.read_text()).body[-1], ast.If), f"{source} does not run"
        return
    verb: Any = get_command(app)
    words = list(command[1:])
    while hasattr(verb, "commands"):
        verb = verb.commands[words.pop(0)]
    with verb.make_context("goldsmith", words) as context:
        assert str(context.params.get("config") or context.params["root"]).startswith("/")


def test_the_routers_container_is_also_a_valid_transformer_of_one_tier() -> None:
    objects = OBJECTS["laptop-cluster"]
    parts = [named(objects, "InferenceService", f"goldsmith-{n}") for n in ("gold", "router")]
    assert schemas.mistakes(transformer_form(*parts, name="goldsmith-form-gold"), "1.34.0") == []


@pytest.mark.parametrize("kind", KSERVE)
def test_a_misspelt_field_is_not_valid(kind: str) -> None:
    found = of_kind(OBJECTS["eks"], kind)[0]
    assert schemas.mistakes(found, "1.34.0") == []
    wrong = found | {"spec": found["spec"] | {"predictr": {}}}
    assert "predictr" in schemas.mistakes(wrong, "1.34.0")[0]


NAMES = {"gold": [f"a{n}" for n in range(4)]}
REFUSED = [
    pytest.param({"serving__tiers": None}, ["serving.tiers is empty"], id="no tier"),
    pytest.param(
        {"serving__tiers__gold": None}, ["serving.config.tiers.gold", "deployed"], id="rules only"
    ),
    pytest.param(
        {"serving__config__tiers__gold": None}, ["serving.tiers.gold", "slo_ttft_ms"], id="no rules"
    ),
    pytest.param({"signing__secret": ""}, ["signing.secret", "signing.pub"], id="no key"),
    pytest.param({"serving__tiers__gold__pool": "g7"}, ["gold.pool", "g5, g6, p5"], id="no pool"),
    pytest.param({"serving__tiers__gold__gpus": 0}, ["gold.engine", "GPUs"], id="no GPU"),
    pytest.param(
        {"serving__tiers__silver__engine": "builtin"}, ["silver.gpus", "builtin"], id="idle GPU"
    ),
    pytest.param({"images__vllm": ""}, ["images.vllm", "serving.tiers"], id="no image"),
    pytest.param({"images__vllm": "vllm/vllm-openai:v1"}, ["images.vllm", "digest"], id="a tag"),
    pytest.param(
        {"serving__tiers__bronze__replicas": 2}, ["bronze.nodes", "replicas: 1"], id="two of many"
    ),
    pytest.param(
        {"serving__tiers__bronze__engine": "tensorrt-llm"}, ["bronze.nodes", "vllm"], id="TensorRT"
    ),
    pytest.param(
        {"serving__config__adapters__names__bronze": ["a"]},
        ["bronze.nodes", "adapters"],
        id="adapters on many nodes",
    ),
    pytest.param(
        {"serving__config__adapters__names": NAMES}, ["max_loaded", "at least 5"], id="adapters"
    ),
    pytest.param(
        {"serving__tiers__gold__engine": "tensorrt-llm"}, ["adapters.names.gold"], id="no swap"
    ),
    pytest.param({"serving__prometheus": ""}, ["gold.maxReplicas", "prometheus"], id="no metric"),
    pytest.param({"serving__tiers__gold__maxReplicas": 1}, ["below replicas"], id="maxReplicas"),
    pytest.param(
        {"serving__config__policies": {"mine": {}}}, ["policies", "`single`"], id="no single"
    ),
    pytest.param(
        {"serving__config__credentials": {"open": True}}, ["open", "anybody"], id="anybody"
    ),
    pytest.param({"serving__config__credentials": {}}, ["nobody in"], id="nobody"),
    pytest.param(
        {"serving__config__tiers__gold__slo_ms": 1}, ["/gold", "'slo_ms'"], id="typo of a rule"
    ),
    pytest.param(
        {"serving__config__router__port": 80}, ["/router", "'port'"], id="what the chart knows"
    ),
    pytest.param(
        {"serving__tiers__gold__engine": "sglang"}, ["/engine", "'vllm'"], id="unknown engine"
    ),
    pytest.param({"serving__tiers__golden": {}}, ["'golden'", "'gold'"], id="unknown tier"),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED)
def test_a_mistake_stops_the_installation_in_words(changes: Object, expected: list[str]) -> None:
    with pytest.raises(HelmError) as caught:
        helm.render(changed(EKS, **changes))
    assert all(words in str(caught.value) for words in expected), caught.value
