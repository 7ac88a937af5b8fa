"""From a file or ConfigMap to a ClusterConfig; each mistake is one line."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldsmith.config.cluster import load_cluster, parse_cluster, validate_cluster
from goldsmith.errors import ConfigError
from tests.fixtures.clusters import cpu_values, eks_values


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(eks_values()))
    assert load_cluster(tmp_path / "cluster.yaml") == validate_cluster(eks_values())


@pytest.mark.parametrize("values", [eks_values(), cpu_values()], ids=["eks", "cpu"])
def test_what_is_written_is_read_back(values: dict[str, Any]) -> None:
    cluster = validate_cluster(values)
    text = yaml.safe_dump(cluster.model_dump(mode="json"))
    assert parse_cluster(text, source="the ConfigMap") == cluster


def test_the_pipeline_api_is_found_in_the_namespace_unless_it_is_said() -> None:
    values = cpu_values()
    assert validate_cluster(values).kfp_url == "http://ml-pipeline.kubeflow:8888"
    values["kfp"] = {"endpoint": "https://kfp.example"}
    assert validate_cluster(values).kfp_url == "https://kfp.example"


CPU = {"cpu": 1, "memory_gib": 1}
MISTAKES = [
    pytest.param("storr", {}, "did you mean store?", id="unknown section"),
    pytest.param("store.uri", "x", "did you mean store.url?", id="unknown key"),
    pytest.param("pools.g6.efas", 1, "did you mean pools.g6.efa?", id="key of a pool"),
    pytest.param("pools.cpu", CPU | {"gpus": 1}, "'pools.cpu.gpus'", id="pool named as a field"),
    pytest.param("pools.g6.tolerations", [{"kex": ""}], "tolerations.0.key?", id="key in a list"),
    pytest.param("hardware.golden", {}, "impossible value hardware.golden", id="unknown tier"),
    pytest.param("hardware.gold.pool", "g7", "there are: g6, p5", id="unknown pool"),
    pytest.param("hardware.gold.nodes", 0, "greater than 0", id="no node"),
    pytest.param("hardware.gold.shared_memory_gib", 160, "must be smaller", id="shared memory"),
    pytest.param("hardware.gold", CPU, "missing key 'hardware.gold.pool'", id="missing"),
    pytest.param("hardware", {}, "at least 1 item", id="no hardware"),
    pytest.param("pools.g6.accelerator_memory_gib", 0, "needs accel", id="GPU without memory"),
    pytest.param("store.url", "/tmp/store", "should match pattern", id="store is a folder"),
    pytest.param("store.credentials_secret", "Bad_Name", "should match pattern", id="secret"),
    pytest.param("namespace", "My.NS", "should match pattern", id="namespace"),
    pytest.param("kfp", {"server": "2.5"}, "'2.0' or '2.18'", id="server level"),
]


@pytest.mark.parametrize(("key", "value", "expected"), MISTAKES)
def test_a_mistake_is_one_line_that_says_what_is_right(key: str, value: Any, expected: str) -> None:
    values = eks_values()
    *path, last = key.split(".")
    reduce(lambda node, name: node[name], path, values)[last] = value
    with pytest.raises(ConfigError) as caught:
        validate_cluster(values)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
