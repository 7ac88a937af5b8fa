"""Compile the pipelines into the package and write each component's README (`make render`).

python -m pipelines.compile
"""

import inspect
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from goldsmith.pipeline.runs import STEPS
from pipelines.train_tier import train_tier

ROOT = Path(__file__).resolve().parents[1]
COMPILED = ROOT / "src" / "goldsmith" / "pipeline" / "train_tier.yaml"


def compile_text(pipeline: Any = train_tier) -> str:
    """The compiled YAML of a pipeline, KFP's cache off: a step asks its record in the store."""
    for task in pipeline.pipeline_spec.root.dag.tasks.values():
        task.caching_options.enable_cache = False
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return path.read_text(encoding="utf-8")


def readme(step: str) -> str:
    """The README of a component, from its signature and docstring."""
    module = import_module(f"components.{step}.component")
    component: dsl.base_component.BaseComponent = getattr(module, step)
    function = component.python_func
    core = (module.__doc__ or "").split("`")[1]
    path = f"../../src/{core.replace('.', '/')}.py"
    spec = component.component_spec
    inputs = [_row(name, put) for name, put in (spec.inputs or {}).items()]
    outputs = [_row(name, put) for name, put in (spec.outputs or {}).items()]
    summary, _, _ = (inspect.getdoc(function) or "").partition("\n")
    return "\n".join(
        [
            f"# {step}",
            "",
            summary,
            "",
            f"Core: [`{core}`]({path}). Image: `{spec.implementation.container.image}`.",
            "",
            "| Input | Type | What |",
            "|---|---|---|",
            *inputs,
            "",
            "| Output | Type |",
            "|---|---|",
            *(row.rsplit("|", 2)[0] + "|" for row in outputs),
            "",
            "Written by `make render`.",
            "",
        ]
    )


def _row(name: str, put: Any) -> str:
    return f"| `{name}` | {put.type.lower()} | {put.description or ''} |"


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    readmes = {ROOT / "components" / step / "README.md": readme(step) for step in STEPS}
    return {COMPILED: compile_text(), **readmes}


def main() -> None:
    """Write every generated file."""
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
