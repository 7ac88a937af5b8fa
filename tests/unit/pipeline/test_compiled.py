"""The compiled pipeline for one cluster: its images, and what its server can run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from goldsmith import cli
from goldsmith.errors import ConfigError
from goldsmith.pipeline.compiled import (
    check_server,
    for_cluster,
    image_names,
    shipped,
    version_name,
    with_images,
)
from tests.fixtures.clusters import IMAGES, cpu, cpu_values, eks


def test_only_the_images_change() -> None:
    text = for_cluster(eks())
    assert image_names(text) == set(IMAGES.values())
    pairs = zip(shipped().splitlines(), text.splitlines(), strict=True)
    assert {old.split(":")[0].strip() for old, new in pairs if old != new} == {"image"}


def test_steps_that_train_or_play_get_the_image_with_torch() -> None:
    executors = yaml.safe_load(for_cluster(eks()))["deploymentSpec"]["executors"]
    thin = {name for name, e in executors.items() if e["container"]["image"] == IMAGES["steps"]}
    assert "exec-evaluate" not in thin
    assert {"exec-collaborate", "exec-validate-data", "exec-quality-gate"} <= thin


def test_what_ships_runs_on_the_oldest_server() -> None:
    check_server(shipped(), "2.0")
    assert for_cluster(cpu())


def test_another_image_is_another_version() -> None:
    assert version_name(for_cluster(eks())) != version_name(for_cluster(cpu()))
    assert version_name(for_cluster(eks())) == version_name(for_cluster(eks()))


def test_an_image_that_is_no_placeholder_is_refused() -> None:
    with pytest.raises(ConfigError, match="x/other:1 is no placeholder"):
        with_images(shipped().replace("image: ", "image: x/other:1 #"), eks().images)


TOLERATION = {
    "platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-x": {"tolerations": []}}}}}
}


def test_what_an_old_server_cannot_do_is_named() -> None:
    text = f"{shipped()}---\n{yaml.safe_dump(TOLERATION)}"
    check_server(text, "2.18")
    with pytest.raises(ConfigError, match=r"KFP 2\.0 cannot run this pipeline: tolerations"):
        check_server(text, "2.0")


def test_an_exit_handler_is_too_new_for_an_old_server() -> None:
    spec = yaml.safe_load(shipped())
    spec["root"]["dag"]["tasks"]["evaluate"]["triggerPolicy"] = {"strategy": "ALL_UPSTREAM"}
    with pytest.raises(ConfigError, match="an exit handler"):
        check_server(yaml.safe_dump(spec), "2.0")


def test_export_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(cpu_values()))
    file = tmp_path / "train_tier.yaml"
    assert (
        cli._run(["pipeline", "export", "--cluster", str(tmp_path / "c.yaml"), "-o", str(file)])
        == 0
    )
    assert file.read_text() == for_cluster(cpu())
    assert (
        cli._run(["pipeline", "export", "--kfp-server", "3", "--cluster", str(tmp_path / "c.yaml")])
        == 2
    )
