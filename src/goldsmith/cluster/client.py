"""The only caller of the Kubernetes API: dicts in and out, server-side apply, errors in words.

A thin layer over the official client's transport, which brings kubeconfig, the pod's own account
and the renewal of its token. Requests are made by path, so no discovery and no rights for it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldsmith.errors import ClusterError

log = logging.getLogger(__name__)

Object = dict[str, Any]
"""A Kubernetes object as its YAML has it."""

FIELD_MANAGER = "goldsmith"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = (5, 60)
"""To connect, and to wait for an answer."""
PATIENCE_S = 300.0
"""How long work that goes on in the cluster waits for an API server that is away."""


@dataclass(frozen=True)
class Kind:
    """Where objects of one kind are."""

    api: str
    """`v1`, or group and version."""
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api.rpartition("/")[0]


KINDS = {
    "ConfigMap": Kind("v1", "configmaps"),
    "Deployment": Kind("apps/v1", "deployments"),
    "Event": Kind("v1", "events"),
    "Job": Kind("batch/v1", "jobs"),
    "LocalQueue": Kind("kueue.x-k8s.io/v1beta2", "localqueues"),
    "InferenceService": Kind("serving.kserve.io/v1beta1", "inferenceservices"),
    "Node": Kind("v1", "nodes", namespaced=False),
    "NodePool": Kind("karpenter.sh/v1", "nodepools", namespaced=False),
    "Pod": Kind("v1", "pods"),
    "PriorityClass": Kind("scheduling.k8s.io/v1", "priorityclasses", namespaced=False),
    "PyTorchJob": Kind("kubeflow.org/v1", "pytorchjobs"),
    "Secret": Kind("v1", "secrets"),
    "SelfSubjectAccessReview": Kind(
        "authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False
    ),
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "SubjectAccessReview": Kind(
        "authorization.k8s.io/v1", "subjectaccessreviews", namespaced=False
    ),
    "Workflow": Kind("argoproj.io/v1alpha1", "workflows"),
}


class Client:
    """The API of one cluster, in one namespace; ClusterError says what was refused, and why.

    `patience_s` is how long a request is tried again while the server is away or overloaded.
    """

    def __init__(self, api: Any, namespace: str, *, patience_s: float = 0.0) -> None:
        self._api, self.namespace, self._patience_s = api, namespace, patience_s
        self.server: str = api.configuration.host

    def get(self, kind: str, name: str) -> Object | None:
        """An object, or None if there is none of that name."""
        try:
            return self._json("GET", self._path(kind, name), f"read {kind} {name}")
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """The objects that match both selectors."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        chosen = {name: value for name, value in query.items() if value}
        answer = self._json("GET", self._path(kind), f"list {KINDS[kind].plural}", query=chosen)
        return [{"kind": kind, **item} for item in answer["items"]]

    def apply(self, manifest: Object) -> Object:
        """Create an object, or make it so (server-side apply); what it is then."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        return self._json(
            "PATCH",
            self._path(kind, name),
            f"apply {kind} {name}",
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=manifest,
            content_type="application/apply-patch+yaml",
        )

    def create(self, manifest: Object) -> Object:
        """Post an object that is a question, such as a SelfSubjectAccessReview; the answer."""
        kind = manifest["kind"]
        return self._json("POST", self._path(kind), f"create {kind}", body=manifest)

    def delete(self, kind: str, name: str, *, uid: str = "") -> None:
        """Delete an object after all that it owns; one that is not there is no error.

        With `uid`, only that incarnation: a newer one of the same name stays.
        """
        body: Object = {"propagationPolicy": "Foreground"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._json("DELETE", self._path(kind, name), f"delete {kind} {name}", body=body)
        except ClusterError as error:
            if error.status != 404 and not (uid and error.status == 409):
                raise

    def pod_log(self, pod: str, container: str, *, since: str = "") -> str:
        """What a container wrote, each line after its time; `since` is such a time."""
        query = {"container": container, "timestamps": "true"}
        if since:
            query["sinceTime"] = since
        path = f"{self._path('Pod', pod)}/log"
        data = self._send("GET", path, f"read the log of pod {pod}", query=query)
        return data.decode("utf-8", errors="replace")

    def serves(self, kind: str) -> bool:
        """Whether the cluster knows a kind; anybody may ask."""
        place = KINDS[kind]
        try:
            answer = self._json("GET", f"/apis/{place.api}", f"read the kinds of {place.api}")
        except ClusterError as error:
            if error.status == 404:
                return False
            raise
        return any(resource["name"] == place.plural for resource in answer["resources"])

    def version(self) -> tuple[int, int]:
        """Major and minor of the server."""
        answer = self._json("GET", "/version", "read the version")
        return int(answer["major"]), int(answer["minor"].rstrip("+"))

    def _path(self, kind: str, name: str = "") -> str:
        place = KINDS[kind]
        root = f"/api/{place.api}" if place.api == "v1" else f"/apis/{place.api}"
        where = f"/namespaces/{self.namespace}" if place.namespaced else ""
        return f"{root}{where}/{place.plural}" + (f"/{name}" if name else "")

    def _json(self, method: str, path: str, doing: str, **request: Any) -> Object:
        answer: Object = json.loads(self._request(method, path, doing, **request))
        return answer

    def _request(self, method: str, path: str, doing: str, **request: Any) -> bytes:
        """The body of an answer; tried again while the server is away, for `patience_s`."""
        deadline, wait_s = time.monotonic() + self._patience_s, 0.5
        while True:
            try:
                return self._send(method, path, doing, **request)
            except ClusterError as error:
                away = error.status in (0, 429) or error.status >= 500
                if not away or time.monotonic() + wait_s > deadline:
                    raise
                log.warning("%s; trying again", error)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 15.0)

    def _send(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Content-Type": content_type, "Accept": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=TIMEOUT_S,
            )
            data: bytes = answer.data
            return data
        except ApiException as error:
            if error.status:
                raise _refused(doing, self.namespace, error) from None
            raise self._away(error.reason) from None
        except HTTPError as error:
            raise self._away(str(error)) from None

    def _away(self, why: str) -> ClusterError:
        return ClusterError(
            f"cannot reach the Kubernetes API at {self.server}",
            why=" ".join(why.split()),
            fix="check KUBECONFIG, and the network",
        )


def connect(namespace: str = "", *, patience_s: float = 0.0) -> Client:
    """The cluster that this pod is in, else the one of KUBECONFIG; ClusterError without either.

    The namespace is the pod's, or the kubeconfig context's, unless it is given.
    """
    from kubernetes import client, config

    settings = client.Configuration()
    settings.retries = False  # ours, with words
    file = os.environ.get("KUBECONFIG", "~/.kube/config")  # the library reads it when imported
    try:
        if (SERVICE_ACCOUNT / "token").exists():
            config.load_incluster_config(client_configuration=settings)
            here = (SERVICE_ACCOUNT / "namespace").read_text(encoding="ascii").strip()
        else:
            config.load_kube_config(config_file=file, client_configuration=settings)
            _, context = config.list_kube_config_contexts(config_file=file)
            here = context["context"].get("namespace", "default")
    except config.ConfigException as error:
        raise ClusterError(
            f"no cluster: {file} is no kubeconfig", why=str(error), fix="set KUBECONFIG"
        ) from None
    return Client(client.ApiClient(settings), namespace or here, patience_s=patience_s)


def _refused(doing: str, namespace: str, error: Any) -> ClusterError:
    """What the server answered, in its own words; a missing right is named with its account."""
    try:
        why = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        why = f"{error.status} {error.reason}"
    fix = ""
    if error.status == 401:
        fix = "log in to the cluster again"
    elif error.status == 403 and " cannot " in why:  # RBAC's words, not a webhook's or a quota's
        fix = "give that account the right: `goldsmith preflight` lists what is needed"
    what = f"Kubernetes refuses to {doing} in namespace {namespace}"
    if error.status == 404:
        what, why = f"cannot {doing} in namespace {namespace}", why or "it is not there"
    return ClusterError(what, why=why, fix=fix, status=error.status)
