"""A small pipeline with real steps, compiled on the spot: what the runner's tests run."""

from pathlib import Path

from kfp import compiler, dsl


@dsl.component(base_image="goldsmith/steps:test", install_kfp_package=False)
def first(run: dict, config: dict) -> str:
    """Do what `config` says, once."""
    from goldsmith.pipeline.step import step

    with step("collaborate"):
        import os
        import time
        from pathlib import Path

        from goldsmith.config.run import RunContext
        from goldsmith.errors import DataError
        from goldsmith.observability.progress import Progress
        from goldsmith.store.steps import once

        def work() -> dict:
            folder = Path(run["store"])
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

    with step("validate_data"):
        from goldsmith.config.run import RunContext
        from goldsmith.store.steps import once

        return once(
            RunContext.model_validate(run), "validate_data", {"v": value}, lambda: {"value": value}
        )["value"]


@dsl.pipeline(name="toy")
def toy(
    run: dict,
    collaborate: dict,
    validate_data: dict = {},  # noqa: B006  # a pipeline's default is data
    srl: dict = {},  # noqa: B006
    rlvr: dict = {},  # noqa: B006
    evaluate: dict = {},  # noqa: B006
    quality_gate: dict = {},  # noqa: B006
    register: dict = {},  # noqa: B006
    roll_out: dict = {},  # noqa: B006
) -> None:
    """Two steps."""
    written = first(run=run, config=collaborate)
    second(run=run, value=written.output)


def compile_toy(path: Path) -> Path:
    """The compiled file."""
    compiler.Compiler().compile(toy, str(path))
    return path
