"""What each account of a release can do, and what it cannot: the API server's own answers."""

from __future__ import annotations

import pytest

from goldsmith.cluster.preflight import RIGHTS
from tests.cluster.release import Release

SERVING = "serving.kserve.io/inferenceservices"
NEEDED = {
    "goldsmith-pipeline": [
        *(
            (verb, {"PyTorchJob": "kubeflow.org/pytorchjobs", "Job": "batch/jobs"}[kind])
            for kind, verb in RIGHTS
            if kind in ("PyTorchJob", "Job")
        ),
        *(("get", "pods"), ("list", "pods"), ("get", "pods/log"), ("list", "events")),
        *(("get", "configmaps/=goldsmith-cluster"), ("get", "secrets/=goldsmith-store")),
        ("get", "secrets/=goldsmith-signing"),
        ("create", "argoproj.io/workflowtaskresults"),
    ],
    "goldsmith-reaper": [
        *(("list", "kubeflow.org/pytorchjobs"), ("delete", "kubeflow.org/pytorchjobs")),
        *(("list", "batch/jobs"), ("delete", "batch/jobs"), ("get", "argoproj.io/workflows")),
    ],
    "goldsmith-trainer": [],
    "goldsmith-upload": [],
}
NOBODY = [
    *(("get", "secrets"), ("list", "secrets"), ("get", "secrets/=somebody-elses")),
    *(("create", "pods"), ("delete", "pods"), ("create", "pods/exec"), ("create", "pods/attach")),
    *(("create", SERVING), ("patch", SERVING), ("delete", SERVING)),
    *(
        ("create", "rbac.authorization.k8s.io/rolebindings"),
        ("patch", "rbac.authorization.k8s.io/roles"),
    ),
    *(("create", "serviceaccounts/token"), ("impersonate", "serviceaccounts"), ("list", "nodes")),
    *(("create", "apps/deployments"), ("delete", "argoproj.io/workflows"), ("patch", "configmaps")),
    *(("deletecollection", "kubeflow.org/pytorchjobs"), ("delete", "persistentvolumeclaims")),
]
CASES = [
    pytest.param(account, verb, what, allowed, id=f"{account}-{verb}-{what.replace('/', '.')}")
    for account, needed in NEEDED.items()
    for allowed, pairs in ((True, needed), (False, NOBODY))
    for verb, what in pairs
]


def allows(release: Release, account: str, verb: str, what: str, *, namespace: str) -> bool:
    """Whether an account may do something; `what` is `group/resource[/subresource][/=name]`."""
    path, _, name = what.partition("/=")
    group, _, resource = path.partition("/") if "." in path or path in GROUPED else ("", "", path)
    resource, _, part = resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": part,
        "name": name,
    }
    user = f"system:serviceaccount:{release.namespace}:{account}"
    groups = ["system:serviceaccounts", "system:authenticated"]
    review = release.client.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
        }
    )
    return bool(review["status"]["allowed"])


GROUPED = ("batch/jobs", "apps/deployments")


@pytest.mark.parametrize(("account", "verb", "what", "allowed"), CASES)
def test_an_account_can_do_what_it_needs_and_nothing_else(
    release: Release, account: str, verb: str, what: str, allowed: bool
) -> None:
    assert allows(release, account, verb, what, namespace=release.namespace) is allowed


@pytest.mark.parametrize("account", NEEDED)
def test_an_account_can_do_nothing_in_another_namespace(release: Release, account: str) -> None:
    pairs = [*NEEDED[account], *NOBODY]
    found = [p for p in pairs if allows(release, account, *p, namespace="kube-system")]
    assert found == []
