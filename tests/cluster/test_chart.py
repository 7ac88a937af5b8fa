"""A release from installation to removal, where Pod Security "restricted" is enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goldsmith.store.object_store import open_store
from tests.cluster.release import HelmError, Release, until

NAMESPACE = "goldsmith-lifecycle"


@pytest.fixture(name="lifecycle")
def _lifecycle(store_url: str) -> Iterator[Release]:
    """A release that is not installed yet, its namespace and Secrets there."""
    own = {"url": f"{store_url}/lifecycle"}
    release = Release(NAMESPACE, changes={"store": own, "kfp": {"bindDefaultAccount": False}})
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = {"name": NAMESPACE, "labels": enforced}
    release.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    release.secrets()
    yield release
    release.uninstall()
    release.client.delete("Namespace", NAMESPACE)
    until(
        lambda: release.client.get("Namespace", NAMESPACE) is None,
        seconds=120,
        what=f"namespace {NAMESPACE} gone",
    )


def schedule(release: Release) -> str:
    """When the reaper runs."""
    job = release.client.get("CronJob", "goldsmith-reaper")
    assert job
    return str(job["spec"]["schedule"])


def test_a_release_is_installed_tested_changed_and_leaves_nothing_but_data(
    lifecycle: Release,
) -> None:
    store = open_store(lifecycle.values["store"]["url"])
    store.create("kept", b"by nobody but its owner")
    lifecycle.install()
    assert "CronJob/goldsmith-reaper" in lifecycle.objects()
    before = schedule(lifecycle)
    lifecycle.test()
    lifecycle.upgrade({"reaper": {"schedule": "7 7 * * *"}})
    assert schedule(lifecycle) == "7 7 * * *"
    lifecycle.rollback()
    assert schedule(lifecycle) == before
    lifecycle.test()
    lifecycle.uninstall()
    until(lambda: lifecycle.objects() == [], seconds=60, what="0 objects of ours")
    assert store.get("kept") == b"by nobody but its owner"


def test_helm_test_fails_where_an_account_does_not_reach_the_store(lifecycle: Release) -> None:
    lifecycle.changes["store"]["endpoint"] = "http://nowhere.kubeflow:9000"
    lifecycle.install()
    with pytest.raises(HelmError):
        lifecycle.test()
