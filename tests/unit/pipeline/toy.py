"""A small pipeline with real steps, compiled on the spot: what the runner's tests run."""

from pathlib import Path
from typing import Any, NamedTuple

from kfp import compiler, dsl


@dsl.component(base_image="goldsmith/steps:test", install_kfp_package=False)
def first(run: dict, config: dict) -> str:
    """Do what `config` says, once."""
    from goldsmith.pipeline.step import step

    with step("collaborate", run):
        import os
        import time
        from pathlib import Path

        from goldsmith.config.run import RunContext
        from goldsmith.errors import DataError
        from goldsmith.observability.progress import Progress
        from goldsmith.store.steps import once

        def work() -> dict:
            folder = Path(os.environ.get("TOY_FOLDER", run["store"]))
            with (folder / "work-done.txt").open("a") as file:
                file.write("first\n")
            if (folder / "fail").exists():
                raise DataError("data set d is corrupt", why="line 3", fix="write it again")
            for done in range(3):
                Progress("collaborate").update(done + 1, 3)
            (folder / "pid.txt").write_text(str(os.getpid()))
            while (folder / "hang").exists():
                time.sleep(0.02)
            if (folder / "die").exists():
                os.kill(os.getpid(), 9)
            return {"value": f"{run['store']}|{config['passages']}"}

        return once(RunContext.model_validate(run), "collaborate", config, work)["value"]


@dsl.component(base_image="goldsmith/steps:test", install_kfp_package=False)
def second(run: dict, value: str) -> str:
    """Keep the value."""
    from goldsmith.pipeline.step import step

    with step("validate_data", run):
        from goldsmith.config.run import RunContext
        from goldsmith.store.steps import once

        return once(
            RunContext.model_validate(run), "validate_data", {"v": value}, lambda: {"value": value}
        )["value"]


@dsl.component(base_image="goldsmith/steps:test", install_kfp_package=False)
def named(run: dict) -> NamedTuple("Outputs", [("word", str), ("other", str)]):
    """Two named outputs."""
    return ("promote", "")


@dsl.pipeline(name="skipping")
def skipping(
    run: dict,
    collaborate: dict,
    validate_data: dict,
    srl: dict,
    rlvr: dict,
    evaluate: dict,
    quality_gate: dict,
    register: dict,
    roll_out: dict,
) -> None:
    """What KFP's local runner gets wrong: it skips the condition and calls it a success."""
    with dsl.If(named(run=run).outputs["word"] == "promote"):
        first(run=run, config=collaborate)


@dsl.pipeline(name="toy")
def toy(
    run: dict,
    collaborate: dict,
    validate_data: dict,
    srl: dict,
    rlvr: dict,
    evaluate: dict,
    quality_gate: dict,
    register: dict,
    roll_out: dict,
) -> None:
    """Two steps."""
    written = first(run=run, config=collaborate)
    second(run=run, value=written.output)


def compile_toy(path: Path, pipeline: Any = toy) -> Path:
    """The compiled file."""
    compiler.Compiler().compile(pipeline, str(path))
    return path
