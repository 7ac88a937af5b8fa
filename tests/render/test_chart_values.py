"""The chart over random values: valid ones install, and a mistake is refused by its name."""

from __future__ import annotations

from functools import cache

import pytest
from helm_python import HelmError
from hypothesis import HealthCheck, Phase, given, settings

from charts import helm
from goldsmith.config.cluster import ClusterConfig, validate_cluster
from tests.fixtures import schemas
from tests.fixtures.chart_values import DIGEST, Mistake, Values, cluster, clusters, invalid, valid

pytestmark = pytest.mark.timeout(900)  # 20 s of one core, of which a busy machine may give little

SCHEMA = helm.load().schema
NEWEST = schemas.versions()[-1]

over_random_values = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # shrinking values takes longer than reading them
    suppress_health_check=list(HealthCheck),
)


@cache
def mistakes(text: str) -> list[str]:
    """What the newest API server would say of a rendered template."""
    found = helm.documents(text)
    return [mistake for manifest in found for mistake in schemas.mistakes(manifest, NEWEST)]


@over_random_values
@given(valid(SCHEMA))
def test_valid_values_install(values: Values) -> None:
    manifests = helm.manifests(values)
    assert {path: mistakes(text) for path, text in manifests.items() if mistakes(text)} == {}
    found, store = cluster(helm.documents(manifests["config/cluster.yaml"])), values["store"]
    assert set(found.pools) == set(values["cluster"]["pools"])
    assert found.images.torch == values["images"]["torch"]
    assert found.store.url == store["url"]
    assert found.store.credentials_secret == store.get("credentialsSecret", "")


@over_random_values
@given(invalid(SCHEMA))
def test_a_mistake_is_refused_by_its_name(mistake: Mistake) -> None:
    with pytest.raises(HelmError) as caught:
        helm.render(mistake.values)
    pointer = mistake.key.replace("~", "~0").replace("/", "~1")  # RFC 6901
    assert mistake.key in str(caught.value) or pointer in str(caught.value)


@over_random_values
@given(clusters(ClusterConfig.model_json_schema()))
def test_what_cluster_config_takes_the_chart_takes_and_hands_on(given: Values) -> None:
    store, images = {"url": "s3://models"}, {"steps": DIGEST, "torch": DIGEST}
    fixed = {"namespace": helm.NAMESPACE, "store": store, "images": images}
    expected = validate_cluster(fixed | given)
    found = cluster(helm.objects({"store": store, "images": images, "cluster": given}))
    assert found.pools == expected.pools
    assert found.hardware == expected.hardware
    assert found.big_data_bytes == expected.big_data_bytes
