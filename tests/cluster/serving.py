"""A release that serves its three tiers, the requests that are sent to it, and what it answers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from charts.helm import CHART, values
from goldsmith.cluster.client import KINDS, Client, Kind, Object
from goldsmith.cluster.rollout import Rollout, service_name
from goldsmith.registry import models
from goldsmith.registry.bases import SHIPPED, ensure_bases
from goldsmith.registry.signing import KEY_VARIABLE
from tests.cluster.release import Release, answer, deep, until

KINDS.update(
    {
        "PersistentVolumeClaim": Kind("v1", "persistentvolumeclaims"),
        "StatefulSet": Kind("apps/v1", "statefulsets"),
        "StorageClass": Kind("storage.k8s.io/v1", "storageclasses", namespaced=False),
    }
)
TIERS = ("gold", "silver", "bronze")
KEY = "sk-of-a-test-release"
READY_S = 600
_PATIENT = {tier: {"slo_ttft_ms": 20_000} for tier in TIERS}
"""The SLOs are for other hardware: here requests are to be answered, however late."""
CHANGES: dict[str, Any] = {
    "serving": {
        "config": {
            "tiers": _PATIENT,
            "credentials": {
                "open": False,
                "keys": [{"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "tenant": "tests"}],
            },
            "adapters": {"reconcile_s": 3},
            "traces": {"seal_s": 5},
        }
    }
}


def serving_values() -> dict[str, Any]:
    """What a release gets on top of its own values, so that it serves."""
    return deep(values(CHART / "values-laptop-cluster-serving.yaml"), CHANGES)


@dataclass
class Serving:
    """A release that serves."""

    release: Release
    signing_key: Path
    changes: dict[str, Any] = field(default_factory=serving_values)

    @property
    def client(self) -> Client:
        """The Kubernetes API."""
        return self.release.client

    @property
    def url(self) -> str:
        """The router's Service, as its address."""
        service = self.client.get("Service", "goldsmith-router-predictor")
        assert service, "no Service of the router"
        return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"

    def openai(self) -> OpenAI:
        """A plain client."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=KEY, timeout=120)

    def pods(self, service: str) -> list[Object]:
        """The pods of an InferenceService that are not on their way out."""
        found = self.client.list("Pod", labels=f"app=isvc.{service}-predictor")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def admin(self, path: str = "/admin/state") -> list[Any]:
        """What each router's admin port says."""
        pods = [pod for pod in self.pods("goldsmith-router") if pod["status"].get("podIP")]
        urls = [f"http://{pod['status']['podIP']}:8081{path}" for pod in pods]
        return [httpx.get(url, timeout=10).json() for url in urls]

    def states(self) -> dict[str, Any]:
        """Tier to what the rollout controller sees of it."""
        found = Rollout(self.client, self.release.store, TIERS).look()
        return {state.tier: state for state in found}

    def is_settled(self) -> bool:
        """Whether every tier serves its live version, and every router is ready."""
        settled = all(s.phase == "serving" and s.live == s.told for s in self.states().values())
        return settled and all(is_ready(self.client, name) for name in SERVICES)

    def says_why(self, service: str, words: str) -> bool:
        """Whether the init container of some pod ended with these words."""
        inits = [
            s for p in self.pods(service) for s in p["status"].get("initContainerStatuses", ())
        ]
        ends = [s.get(k, {}).get("terminated", {}) for s in inits for k in ("state", "lastState")]
        return any(words in end.get("message", "") for end in ends)

    def damage(self, tier: str, version: str) -> None:
        """Put other bytes under the weights of a version in the store."""
        key = f"models/{tier}/{version}/model.safetensors"
        self.release.store.delete(key)
        self.release.store.create(key, b"other weights")

    def settle(self) -> None:
        """Wait for that."""
        until(self.is_settled, seconds=READY_S, what="every tier serves", every_s=2)

    def upgrade(self, **changes: Any) -> None:
        """`helm upgrade` with other values of `serving`."""
        self.release.upgrade(deep(self.changes, {"serving": changes} if changes else {}))

    @contextmanager
    def signing(self) -> Iterator[None]:
        """This process signs models as the release does, and trusts them."""
        before = os.environ.get(KEY_VARIABLE)
        os.environ[KEY_VARIABLE] = str(self.signing_key)
        try:
            yield
        finally:
            os.environ.pop(KEY_VARIABLE)
            if before:
                os.environ[KEY_VARIABLE] = before

    def new_version(self, tier: str, folder: Path) -> str:
        """Register a model of a tier that differs from its base in a word; its version."""
        shutil.copytree(SHIPPED / tier, folder)
        settings = folder / "generation_config.json"
        changed = json.loads(settings.read_text()) | {"top_k": int(time.time())}
        settings.write_text(json.dumps(changed))
        with self.signing():
            return models.add(self.release.store, folder, tier=tier, lineage={"source": "a test"})

    def promote(self, tier: str, version: str) -> None:
        """Make a version live."""
        with self.signing():
            models.promote(self.release.store, tier, version, cause="a test")

    def goldsmith(self, *arguments: str) -> str:
        """The command line, on the release's store."""
        store = ("--store", self.release.cluster.store.url)
        return self.release.goldsmith(*arguments, *store, **{KEY_VARIABLE: str(self.signing_key)})


SERVICES = ("goldsmith-router", *map(service_name, TIERS))


def is_ready(client: Client, service: str) -> bool:
    """Whether KServe says that an InferenceService is ready."""
    found = client.get("InferenceService", service) or {}
    conditions = found.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@contextmanager
def installed(release: Release, folder: Path) -> Iterator[Serving]:
    """The release, serving for a while; what it has collected goes with it."""
    serving = Serving(release, release.signing_key(folder))
    with serving.signing():
        ensure_bases(release.store)
    serving.upgrade()
    try:
        serving.settle()
        yield serving
    finally:
        release.upgrade({})
        client = release.client
        until(lambda: not client.list("InferenceService"), seconds=180, what="no tier")
        client.delete("PersistentVolumeClaim", "traces-goldsmith-traces-0")


def ready_replicas(serving: Serving, name: str) -> set[str]:
    """Replicas that every router may ask for an adapter."""
    states = serving.admin()
    found = [{url for url, names in state["ready"].items() if name in names} for state in states]
    return set.intersection(*found) if found else set()


def swap(serving: Serving, folder: Path) -> str:
    """Swap gold/cooking, and wait until both replicas and every router have it; its name."""
    said = answer(serving.goldsmith("adapters", "swap", "gold/cooking", str(folder), "--json"))
    name = str(said["name"])
    until(lambda: len(ready_replicas(serving, name)) == 2, seconds=180, what=f"{name} on both")

    def routed() -> bool:
        return all(s["adapters"]["gold/cooking"]["name"] == name for s in serving.admin())

    until(routed, seconds=60, what=f"{name} in every router")
    return name


def needs_kserve(release: Release) -> None:
    """Skip where the cluster has no KServe; CI has to start it."""
    if not release.client.serves("InferenceService"):
        assert "CI" not in os.environ, "CI starts no KServe: see .ci/run"
        pytest.skip("this cluster has no KServe")


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    at: float
    status: int
    text: str = ""
    tier: str = ""
    version: str = ""
    request_id: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was not answered whole."""
        return self.status != 200 or bool(self.error)


def ask(
    client: httpx.Client, model: str, *, stream: bool = False, tokens: int = 8, **headers: str
) -> Outcome:
    """One chat; nothing is sent a second time."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "you are in the kitchen. look"}],
        "max_tokens": tokens,
        "stream": stream,
    }
    at = time.monotonic()
    try:
        with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as reply:
            data = reply.read().decode()
    except httpx.HTTPError as error:
        return Outcome(at, 0, error=f"{type(error).__name__}: {error}")
    found = {name: reply.headers.get(f"x-route-{name}", "") for name in ("tier", "version")}
    outcome = Outcome(at, reply.status_code, request_id=_request_id(reply), **found)
    if reply.status_code != 200:
        return Outcome(at, reply.status_code, error=data[:300], **found)
    text, error = _streamed(data) if stream else (_content(json.loads(data)), "")
    return Outcome(**{**outcome.__dict__, "text": text, "error": error})


def _request_id(reply: httpx.Response) -> str:
    return str(reply.headers.get("x-route-request-id") or reply.headers.get("x-request-id", ""))


def _content(body: Object) -> str:
    return str(body["choices"][0]["message"]["content"])


def _streamed(data: str) -> tuple[str, str]:
    """The text of a stream, and what is wrong with it."""
    events = re.findall(r"^data: (.*)$", data, re.M)
    if not events or events[-1] != "[DONE]":
        return "", f"the stream broke off after {len(events)} events"
    parsed = [json.loads(event) for event in events[:-1]]
    broken = [event["error"] for event in parsed if "error" in event]
    deltas = [c["delta"].get("content") or "" for e in parsed for c in e.get("choices", ())]
    return "".join(deltas), str(broken[0]) if broken else ""


class Load:
    """Requests that go on in the background; every other one is streamed."""

    def __init__(self, url: str, model: str, *, threads: int = 2, fresh: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        self._url, self._model, self._fresh = url, model, fresh
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        until(lambda: len(self.outcomes) >= 4, seconds=60, what="requests under way")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        before = len(self.outcomes)
        until(lambda: len(self.outcomes) >= before + count, seconds=120, what="more requests")

    @property
    def failed(self) -> list[Outcome]:
        """What should be empty."""
        return [outcome for outcome in self.outcomes if outcome.failed]

    def versions(self, *, last: int = 0) -> set[str]:
        """What answered: all requests, or the last so many."""
        return {outcome.version for outcome in self.outcomes[-last:]}

    def _run(self) -> None:
        headers = {"authorization": f"Bearer {KEY}"} | (
            {"connection": "close"} if self._fresh else {}
        )
        with httpx.Client(base_url=self._url, headers=headers, timeout=60) as client:
            number = 0
            while not self._over.wait(0.05):
                number += 1
                self.outcomes.append(ask(client, self._model, stream=number % 2 == 0))
