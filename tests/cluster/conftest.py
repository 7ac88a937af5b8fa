"""A release of the chart for all tests, uninstalled when they are done.

KUBECONFIG             the cluster
GOLDSMITH_TEST_IMAGES  values file that names the images (default dist/images.yaml)
GOLDSMITH_TEST_VALUES  values of the release (default values-laptop-cluster.yaml)
GOLDSMITH_TEST_S3, GOLDSMITH_TEST_KFP  the store and the pipeline API as seen from here, if the
                       addresses of their Services are not reachable from here
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY  of the store, if they are not those of KFP
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from goldsmith.cluster.pipelines import Pipelines
from goldsmith.store.object_store import open_store
from tests.cluster.release import KFP_NAMESPACE, Release, credentials, seen_from_here


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here need a cluster and minutes."""
    for item in items:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session", name="store_url")
def _store_url() -> Iterator[str]:
    """A prefix of its own in the store of the values, empty again afterwards."""
    release = Release(KFP_NAMESPACE)
    store = release.values["store"]
    os.environ.update(credentials())
    os.environ["AWS_REGION"] = store.get("region", "us-east-1")
    endpoint = os.environ.get("GOLDSMITH_TEST_S3") or seen_from_here(store["endpoint"])
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    url = f"{store['url']}-{uuid.uuid4().hex[:8]}"
    yield url
    opened = open_store(url)
    for key in list(opened.list("")):
        opened.delete(key)


@pytest.fixture(scope="session", name="kfp")
def _kfp() -> str:
    """URL of the pipeline API, seen from here."""
    endpoint = Release(KFP_NAMESPACE).values["kfp"]["endpoint"]
    return os.environ.get("GOLDSMITH_TEST_KFP") or seen_from_here(endpoint)


@pytest.fixture(scope="session", name="release")
def _release(store_url: str) -> Iterator[Release]:
    """The release that trains."""
    rarely = {"schedule": "0 0 1 1 *"}  # so that a test can break a run and mend it
    release = Release(KFP_NAMESPACE, changes={"store": {"url": store_url}, "reaper": rarely})
    release.uninstall()
    release.secrets()
    release.install()
    yield release
    for job in release.client.list("PyTorchJob", labels="app.kubernetes.io/part-of=goldsmith"):
        release.client.delete("PyTorchJob", job["metadata"]["name"])
    release.uninstall()


@pytest.fixture(name="run_id")
def _run_id(release: Release, kfp: str) -> Iterator[str]:
    """A name that no earlier run had; its workflows and their pods go when the test is over."""
    name = f"test-{uuid.uuid4().hex[:6]}"
    yield name
    pipelines = Pipelines(kfp)
    for run in pipelines.find_all(name):
        for workflow in release.client.list("Workflow", labels=f"pipeline/runid={run.id}"):
            release.client.delete("Workflow", workflow["metadata"]["name"])
