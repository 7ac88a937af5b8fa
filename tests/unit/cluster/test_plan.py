"""What a run asks of which pool, its price, and what no pool can hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldsmith import cli
from goldsmith.cluster.plan import Ask, model_bytes, plan, refuse
from goldsmith.config.cluster import validate_cluster
from goldsmith.config.load import load_config
from goldsmith.config.run import SRLConfig
from goldsmith.errors import ConfigError
from tests.fixtures.clusters import cpu_values, eks_values

BILLION = 10**9


def asks(
    tier: str = "silver",
    ranks: int = 16,
    *,
    parameters: int | None = None,
    flags: tuple[str, ...] = (),
    **hardware: Any,
) -> list[Ask]:
    values = eks_values()
    values["hardware"][tier] |= hardware
    processes = [
        f"{s}.{k}={ranks}" for s in ("srl", "rlvr") for k in ("processes", "prompts_per_update")
    ]
    config = load_config("smoke", overrides=[f"tier={tier}", *processes, *flags])
    cluster = validate_cluster(values)
    return plan(config, cluster, parameters=parameters, seconds={"train_srl": 1800})


def test_pods_capacities_resources_hours_and_money_are_said() -> None:
    srl, rlvr = asks()
    assert (srl.pool, srl.on_demand, srl.spot) == ("p5", 1, 1)
    assert srl.each["nvidia.com/gpu"] == "8"
    assert (srl.hours_at_most, srl.usd_at_most) == (12, 12 * (55 + 30))
    assert (srl.hours, srl.usd) == (0.5, 42.5)
    assert (rlvr.hours, rlvr.usd) == (None, None)
    refuse([srl, rlvr])


TOO_MUCH: list[tuple[dict[str, Any], str]] = [
    ({"ranks": 8}, r"set srl\.processes=16"),
    ({"nodes": 5, "ranks": 40}, "5 nodes, and pool p5 has at most 4"),
    ({"processes_per_node": 9, "ranks": 18}, "9 GPUs a node, and pool p5 has 8"),
    ({"cpu": 193}, "193 cores a pod"),
    ({"memory_gib": 4000}, "4000 GiB a pod"),
    ({"parameters": 8 * BILLION}, r"at least 149\.0 GiB a process, .* has 80\.0; set srl\.lora"),
    ({"flags": ("srl.prompts_per_update=15",)}, "15 prompts an update do not divide"),
]


@pytest.mark.parametrize(("change", "expected"), TOO_MUCH, ids=[row[1] for row in TOO_MUCH])
def test_what_no_pool_can_hold_is_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        refuse(asks(**change))


def test_a_model_that_does_not_fit_whole_fits_with_lora() -> None:
    refuse(asks(parameters=8 * BILLION, flags=("srl.lora_rank=16", "rlvr.lora_rank=16")))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"processes": 1}, 16, id="weights, gradient, two moments"),
        pytest.param({"processes": 2}, 20, id="and buckets"),
        pytest.param({"processes": 2, "kl_target": 0.1}, 24, id="and a reference model"),
        pytest.param({"processes": 2, "lora_rank": 8}, 4, id="frozen"),
    ],
)
def test_bytes_a_parameter(fields: dict[str, Any], expected: int) -> None:
    assert model_bytes(1, SRLConfig(**fields)) == expected


def test_on_cpus_the_processes_of_a_pod_share_its_memory() -> None:
    config = load_config("smoke", overrides=["srl.processes=2", "rlvr.processes=2"])
    cluster = validate_cluster(cpu_values())
    refuse(plan(config, cluster, parameters=10**6, seconds={}))
    with pytest.raises(ConfigError, match=r"its share of hardware\.memory_gib has 2\.0"):
        refuse(plan(config, cluster, parameters=BILLION, seconds={}))


def test_the_verb_answers_and_then_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(eks_values()))
    command = ["plan", "--cluster", str(tmp_path / "c.yaml"), "-p", "smoke", "--tier", "gold"]
    four = [f"{s}.{k}=4" for s in ("srl", "rlvr") for k in ("processes", "prompts_per_update")]
    assert cli._run([*command, *four, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [ask["pool"] for ask in found] == ["g6", "g6"]
    assert cli._run(command) == 2
    assert "set srl.processes=4" in capsys.readouterr().err
