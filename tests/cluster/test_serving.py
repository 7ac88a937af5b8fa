"""Three tiers behind the router's Service, while versions and adapters change and pods go away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from goldsmith.cluster.client import Object
from goldsmith.cluster.rollout import service_name
from goldsmith.registry.bases import SHIPPED
from tests.cluster.release import Release, shell, until
from tests.cluster.serving import (
    KEY,
    READY_S,
    SERVICES,
    TIERS,
    Load,
    Serving,
    ask,
    installed,
    is_ready,
    needs_kserve,
    ready_replicas,
    swap,
)
from tests.cluster.test_rights import allows
from tests.fixtures.serving_chart import transformer_form
from tests.fixtures.version_adapters import VersionAdapter, write_versions

FORM = "goldsmith-form-gold"
"""An InferenceService with the router as its transformer."""


@pytest.fixture(name="serving", scope="module")
def _serving(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    needs_kserve(release)
    with installed(release, tmp_path_factory.mktemp("keys")) as serving:
        yield serving


@pytest.fixture(name="http")
def _http(serving: Serving) -> Iterator[httpx.Client]:
    """A client that sends nothing twice."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=serving.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(name="versions", scope="module")
def _versions(tmp_path_factory: pytest.TempPathFactory) -> list[VersionAdapter]:
    """Two adapters of gold, each of which says one word of its own."""
    return write_versions(SHIPPED / "gold", tmp_path_factory.mktemp("adapters") / "a", count=2)


@pytest.mark.parametrize("tier", TIERS)
def test_an_openai_client_is_answered_by_each_tier(serving: Serving, tier: str) -> None:
    assert all(is_ready(serving.client, name) for name in SERVICES)
    messages: Any = [{"role": "user", "content": "you are in the kitchen. look"}]
    chat = serving.openai().chat.completions
    reply = chat.with_raw_response.create(model=tier, messages=messages, max_tokens=8)
    assert reply.headers["x-route-tier"] == tier
    assert reply.parse().usage.completion_tokens >= 1  # type: ignore[union-attr]  # asked for
    chunks = list(chat.create(model=tier, messages=messages, max_tokens=8, stream=True))
    assert chunks[-1].choices == [] or chunks[-1].choices[0].finish_reason


def test_a_request_without_a_key_is_refused(serving: Serving) -> None:
    reply = httpx.post(f"{serving.url}/v1/chat/completions", json={"model": "gold"}, timeout=10)
    assert reply.status_code == 401
    assert reply.json()["error"]["message"]


def test_a_new_version_comes_by_its_alias_without_a_failed_request(
    serving: Serving, tmp_path: Path
) -> None:
    before = serving.states()["gold"].told
    version = serving.new_version("gold", tmp_path / "new")
    with Load(serving.url, "gold") as load:
        serving.promote("gold", version)
        until(lambda: serving.states()["gold"].told == version, seconds=60, what="it is named")
        serving.settle()
        until(
            lambda: load.versions(last=20) == {version},
            seconds=60,
            what="pods of the old version have finished what they had",
        )
    assert load.failed == []
    told = load.versions()
    assert (
        {before, version} <= told <= {before, version, "gold"}
    )  # a new pod's is not known at once
    with Load(serving.url, "gold") as load:
        serving.goldsmith("rollback", "gold")
        until(lambda: serving.states()["gold"].told == before, seconds=60, what="the way back")
        serving.settle()
    assert load.failed == []


def test_a_version_that_is_damaged_in_the_store_takes_nothing_from_the_one_that_serves(
    serving: Serving, http: httpx.Client, tmp_path: Path
) -> None:
    before = serving.states()["silver"].told
    version = serving.new_version("silver", tmp_path / "damaged")
    serving.damage("silver", version)
    serving.promote("silver", version)
    until(
        lambda: serving.says_why("goldsmith-silver", "model.safetensors"),
        seconds=180,
        what="the init container says which file",
    )
    assert not ask(http, "silver").failed
    assert ask(http, "silver").version == before
    serving.goldsmith("rollback", "silver")
    serving.settle()


def test_adapters_are_swapped_across_replicas_and_come_back_after_a_pod_dies(
    serving: Serving, http: httpx.Client, versions: list[VersionAdapter]
) -> None:
    first, second = versions
    swap(serving, first.folder)
    assert first.wrote(ask(http, "gold/cooking").text)
    with Load(serving.url, "gold/cooking") as load:
        name = swap(serving, second.folder)
        load.more(10)
        lost = serving.pods("goldsmith-gold")[0]["metadata"]["name"]
        serving.client.delete("Pod", lost)
        until(
            lambda: (
                len(ready_replicas(serving, name)) == 2
                and lost not in {pod["metadata"]["name"] for pod in serving.pods("goldsmith-gold")}
            ),
            seconds=300,
            what="the new pod has the adapter",
        )
        load.more(10)
    assert load.failed == []
    wrong = [o for o in load.outcomes if not (first.wrote(o.text) or second.wrote(o.text))]
    assert wrong == []
    assert all(second.wrote(outcome.text) for outcome in load.outcomes[-5:])


def test_a_tier_at_zero_is_routed_around(serving: Serving, http: httpx.Client) -> None:
    with Load(serving.url, "auto") as load:
        serving.upgrade(tiers={"silver": {"replicas": 0}})
        until(lambda: not serving.pods("goldsmith-silver"), seconds=180, what="no silver")
        load.more(10)
        until(
            lambda: not any(s["healthy"].get(url) for s in serving.admin() for url in silver(s)),
            seconds=30,
            what="the routers know",
        )
        count = len(load.outcomes)
        load.more(10)
    assert load.failed == []
    assert "silver" not in {outcome.tier for outcome in load.outcomes[count:]}
    asked = ask(http, "silver")
    assert asked.status == 503 and "no_healthy_endpoint" in asked.error
    serving.upgrade()
    serving.settle()
    until(lambda: not ask(http, "silver").failed, seconds=60, what="silver again")


def silver(state: Object) -> list[str]:
    """The replicas of silver that a router knows."""
    return list(state["endpoints"].get("silver", ()))


def test_a_tier_whose_pods_are_killed_is_routed_around(serving: Serving) -> None:
    with Load(serving.url, "auto") as load:
        for pod in serving.pods("goldsmith-bronze"):
            kill(serving, pod["metadata"]["name"])
        load.more(20)
    assert load.failed == []
    serving.settle()


def kill(serving: Serving, pod: str) -> None:
    """Take a pod away without a word to it, as a lost node does."""
    place = ["--namespace", serving.release.namespace]
    shell(["kubectl", *place, "delete", "pod", pod, "--grace-period=0", "--force"])


def test_the_routers_pods_are_replaced_under_load_without_a_failed_request(
    serving: Serving,
) -> None:
    with Load(serving.url, "gold", threads=3, fresh=True) as load:
        old = [pod["metadata"]["name"] for pod in serving.pods("goldsmith-router")]
        assert len(old) == 2
        for name in old:
            serving.client.delete("Pod", name)
            until(
                lambda: len([p for p in serving.pods("goldsmith-router") if all_ready(p)]) == 2,
                seconds=180,
                what="two routers",
            )
        load.more(10)
    assert load.failed == []


def all_ready(pod: Object) -> bool:
    """Whether a pod is ready."""
    conditions = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def test_a_job_outlives_the_router_that_took_it(serving: Serving, http: httpx.Client) -> None:
    body = {"model": "bronze", "messages": [{"role": "user", "content": "look"}], "max_tokens": 8}
    taken = http.post("/v1/jobs", json=body)
    assert taken.status_code == 202
    where = taken.headers["location"]
    for pod in serving.pods("goldsmith-router"):
        serving.client.delete("Pod", pod["metadata"]["name"])
    until(
        lambda: len([p for p in serving.pods("goldsmith-router") if all_ready(p)]) == 2,
        seconds=180,
        what="two routers",
    )

    def done() -> Any:
        with httpx.Client(base_url=serving.url, headers=http.headers, timeout=30) as client:
            said = client.get(where).json()
        return said if said["status"] in ("succeeded", "failed") else None

    assert until(done, seconds=120, what="the job")["status"] == "succeeded"


def test_traces_are_kept_while_their_collector_is_replaced(
    serving: Serving, http: httpx.Client, tmp_path: Path
) -> None:
    serving.client.delete("Pod", "goldsmith-traces-0")
    outcomes = [ask(http, "gold") for _ in range(20)]
    assert [outcome for outcome in outcomes if outcome.failed] == []
    sent = {outcome.request_id for outcome in outcomes}
    assert len(sent) == 20

    def kept() -> bool:
        serving.goldsmith("traces", "export", str(tmp_path / "traces.jsonl"))
        lines = (tmp_path / "traces.jsonl").read_text().splitlines()
        return sent <= {json.loads(line)["request_id"] for line in lines}

    until(kept, seconds=180, what="20 traces in the store", every_s=5)


def test_the_router_is_also_a_transformer_of_one_tier(serving: Serving) -> None:
    client = serving.client
    parts = [
        client.get("InferenceService", name) for name in ("goldsmith-gold", "goldsmith-router")
    ]
    client.apply(transformer_form(*parts, name=FORM))
    try:
        until(lambda: is_ready(client, FORM), seconds=READY_S, what=f"{FORM} ready", every_s=2)
        service = client.get("Service", f"{FORM}-transformer")
        assert service
        address = f"http://{service['spec']['clusterIP']}"
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as http:
            until(lambda: not ask(http, "gold").failed, seconds=60, what="an answer")
            assert ask(http, "gold", stream=True).tier == "gold"
            tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["look"]}
            reply = http.post("/v2/models/gold/infer", json={"inputs": [tensor]})
            assert reply.status_code == 200, reply.text
            assert reply.json()["outputs"][0]["datatype"] == "BYTES"
    finally:
        client.delete("InferenceService", FORM)


RIGHTS = {
    "goldsmith-rollout": {
        *(
            (verb, f"serving.kserve.io/inferenceservices/={service_name(tier)}")
            for verb in ("get", "patch")
            for tier in TIERS
        ),
        *(("get", f"apps/deployments/={service_name(tier)}-predictor") for tier in TIERS),
    },
    **{f"goldsmith-{name}": set() for name in ("router", "engine", "adapters", "traces")},
}
ASKED = sorted(
    {
        *(right for rights in RIGHTS.values() for right in rights),
        *(("patch", "serving.kserve.io/inferenceservices/=goldsmith-router"),),
        *((verb, "serving.kserve.io/inferenceservices") for verb in ("list", "create", "delete")),
        *(("get", "secrets"), ("list", "secrets"), ("get", "configmaps"), ("list", "pods")),
        *(("create", "pods"), ("create", "pods/exec"), ("patch", "apps/deployments")),
    }
)


@pytest.mark.parametrize("account", RIGHTS)
def test_an_account_that_serves_can_do_what_it_needs_and_nothing_else(
    serving: Serving, account: str
) -> None:
    place = serving.release.namespace
    found = {right for right in ASKED if allows(serving.release, account, *right, namespace=place)}
    assert found == RIGHTS[account]
