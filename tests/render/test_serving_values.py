"""Serving over random values: valid ones install, and mean what they say."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from charts import helm
from tests.fixtures import schemas
from tests.fixtures.chart_values import Values, served
from tests.fixtures.serving_chart import pods, serving_config

pytestmark = pytest.mark.timeout(900)

NEWEST = schemas.versions()[-1]


@cache
def mistakes(text: str) -> list[str]:
    """What the newest API server would say of a rendered template."""
    found = helm.documents(text)
    return [mistake for manifest in found for mistake in schemas.mistakes(manifest, NEWEST)]


@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(served(helm.load().schema))
def test_valid_values_install_and_the_configuration_is_valid(values: Values) -> None:
    manifests = helm.manifests(values)
    assert {path: mistakes(text) for path, text in manifests.items() if mistakes(text)} == {}
    objects = [found for text in manifests.values() for found in helm.documents(text)]
    config, serving = serving_config(objects), values["serving"]
    assert set(config.tiers) == set(serving["tiers"])
    for tier, settings_ in config.tiers.items():
        assert settings_.engine == serving["tiers"][tier]["engine"]
        rules = serving["config"]["tiers"][tier]
        assert all(getattr(settings_, name) == value for name, value in rules.items())
    images = {container["image"] for pod in pods(objects) for container in pod.containers}
    assert values["images"]["steps"] in images
