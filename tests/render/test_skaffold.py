"""skaffold.yaml builds exactly the images that there are and installs this chart with them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import helm
from images import build

ROOT = Path(__file__).resolve().parents[2]
SKAFFOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
(RELEASE,) = SKAFFOLD["deploy"]["helm"]["releases"]
(LAPTOP,) = SKAFFOLD["profiles"]


def values_file(profile: dict[str, Any] | None) -> Path:
    """The values that a profile installs with."""
    if profile is None:
        (file,) = RELEASE["valuesFiles"]
    else:
        (patch,) = profile["patches"]
        assert patch["path"] == "/deploy/helm/releases/0/valuesFiles/0"
        file = patch["value"]
    return ROOT / str(file)


def test_every_image_is_built_from_its_dockerfile() -> None:
    built = {a["image"]: a["docker"]["dockerfile"] for a in SKAFFOLD["build"]["artifacts"]}
    assert built == {f"goldsmith-{name}": f"images/{name}/Dockerfile" for name in build.NAMES}
    assert all("context" not in artifact for artifact in SKAFFOLD["build"]["artifacts"])  # the root


def test_every_image_becomes_its_value_of_the_chart() -> None:
    names = {
        key: re.fullmatch(r"\{\{\.IMAGE_FULLY_QUALIFIED_(\w+)\}\}", template)
        for key, template in RELEASE["setValueTemplates"].items()
    }
    assert {key: match and match[1] for key, match in names.items()} == {
        f"images.{name}": f"goldsmith_{name}" for name in build.NAMES
    }
    assert set(build.NAMES) <= set(helm.values(helm.CHART / "values.yaml")["images"])


@pytest.mark.parametrize("profile", [None, LAPTOP], ids=["eks", "laptop-cluster"])
def test_the_chart_takes_what_skaffold_gives_it(profile: dict[str, Any] | None) -> None:
    """A pushed image has tag and digest; one that is not pushed, a tag."""
    pushed = SKAFFOLD["build"]["local"]["push"] if profile is None else False
    end = "@sha256:" + "a" * 64 if pushed else ""
    images = {name: f"registry.example/goldsmith-{name}:1{end}" for name in build.NAMES}
    values = helm.values(values_file(profile))
    objects = helm.objects(values | {"images": values.get("images", {}) | images})
    assert any(images["torch"] in str(found) for found in objects)


def test_it_installs_the_release_where_the_pipelines_run() -> None:
    assert ROOT / RELEASE["chartPath"] == helm.CHART
    assert (RELEASE["name"], RELEASE["namespace"]) == (helm.RELEASE, helm.NAMESPACE)
