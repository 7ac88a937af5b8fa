"""The compiled pipeline: fresh, of safe parts only, and shaped like the configuration."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from goldsmith.config.run import RunConfig
from goldsmith.pipeline.runs import STEPS
from pipelines.compile import outputs

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = yaml.safe_load((files("goldsmith.pipeline") / "train_tier.yaml").read_text())
LARGEST_BYTES = 64 * 1024
"""A quarter of what Argo takes for a whole workflow."""


@dsl.component(base_image="goldsmith/steps:test", install_kfp_package=False)
def gate() -> str:
    return "promote"


def lint(spec: dict[str, Any]) -> Iterator[str]:
    """What KFP's local runner gets silently wrong: conditions and loops on named outputs."""
    dags = [spec["root"], *(c for c in spec["components"].values() if "dag" in c)]
    for dag in dags:
        for name, task in dag["dag"]["tasks"].items():
            if "condition" in task.get("triggerPolicy", {}):
                yield from _odd_outputs(name, task["inputs"]["parameters"], {"Output"})
            if iterator := task.get("parameterIterator"):
                key = iterator["items"].get("inputParameter", "")
                inputs = {key: task["inputs"]["parameters"].get(key, {})}
                yield from _odd_outputs(name, inputs, {"Output"})


def _odd_outputs(name: str, inputs: dict[str, Any], good: set[str]) -> Iterator[str]:
    for value in inputs.values():
        key = value.get("taskOutputParameter", {}).get("outputParameterKey", "Output")
        if key not in good:
            yield f"{name}: decided by named output {key}"


@pytest.mark.parametrize("path", outputs(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_committed_file_is_what_make_render_writes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == outputs()[path]


def test_parameters_are_the_run_and_the_sections() -> None:
    inputs = SHIPPED["root"]["inputDefinitions"]["parameters"]
    assert set(inputs) == {"run", *RunConfig().sections()}
    assert {put["parameterType"] for put in inputs.values()} == {"STRUCT"}


def test_every_section_reaches_exactly_one_step() -> None:
    tasks = SHIPPED["root"]["dag"]["tasks"].values()
    taken = [task["inputs"]["parameters"]["config"]["componentInputParameter"] for task in tasks]
    assert sorted(taken) == sorted(RunConfig().sections())


def test_steps_are_those_of_the_run() -> None:
    names = {name.replace("-", "_") for name in SHIPPED["root"]["dag"]["tasks"]}
    assert names == set(STEPS)


def test_the_shipped_pipeline_has_no_condition_and_no_loop() -> None:
    tasks = SHIPPED["root"]["dag"]["tasks"].values()
    odd = {"triggerPolicy", "parameterIterator", "artifactIterator", "retryPolicy"}
    assert not any(odd & set(task) for task in tasks)
    assert list(lint(SHIPPED)) == []


def test_what_travels_between_steps_is_a_string() -> None:
    for name, component in SHIPPED["components"].items():
        outputs = component["outputDefinitions"]["parameters"].values()
        assert {put["parameterType"] for put in outputs} == {"STRING"}, name


def test_no_step_is_cached_or_installs_anything() -> None:
    tasks = SHIPPED["root"]["dag"]["tasks"].values()
    assert not any(task["cachingOptions"].get("enableCache") for task in tasks)
    assert "pip install" not in (files("goldsmith.pipeline") / "train_tier.yaml").read_text()


def test_the_compiled_file_is_small() -> None:
    text = (files("goldsmith.pipeline") / "train_tier.yaml").read_text()
    assert len(text.encode()) < LARGEST_BYTES


@pytest.mark.parametrize(
    ("key", "bad"), [pytest.param("Output", False, id="good"), pytest.param("word", True, id="bad")]
)
def test_lint_finds_a_condition_on_a_named_output(key: str, bad: bool, tmp_path: Path) -> None:
    @dsl.pipeline(name="conditional")
    def conditional() -> None:
        with dsl.If(gate().outputs["Output"] == "promote"):
            gate()

    compiler.Compiler().compile(conditional, str(tmp_path / "p.yaml"))
    text = (tmp_path / "p.yaml").read_text()
    spec = yaml.safe_load(text.replace("outputParameterKey: Output", f"outputParameterKey: {key}"))
    assert bool(list(lint(spec))) is bad
