"""Runs a compiled pipeline file on this machine through KFP's local SubprocessRunner.

    python -m goldsmith.pipeline.runner REQUEST.json

The command line starts it in a process group of its own (`pipeline/attempt.py`); KFP streams the
steps' output to our stdout, which is the run's log. KFP's own cache is off: a step asks its record
in the store whether it is done.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from goldsmith.errors import RunError
from goldsmith.observability import lifeline
from goldsmith.pipeline.failures import explain
from goldsmith.pipeline.step import record

PIPELINE = ""
"""The step name of events that belong to no step."""


def run_compiled(pipeline: Path, parameters: Mapping[str, Any], *, workspace: Path) -> None:
    """Run every task of the file; RuntimeError names the one that failed.

    `workspace` is a throw-away folder for what KFP writes.
    """
    from kfp import components, local

    _use_this_python(workspace)
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")  # base image
    root = workspace / "outputs"
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        workspace_root=str(workspace / "scratch"),
        raise_on_error=True,
        enable_caching=False,
    )
    components.load_component_from_file(str(pipeline))(**parameters)
    check_all_ran(pipeline, root)


def check_all_ran(pipeline: Path, root: Path) -> None:
    """RunError if a task of the compiled file left no output: KFP skips some silently."""
    spec = yaml.safe_load(pipeline.read_text(encoding="utf-8"))
    tasks = spec["root"]["dag"]["tasks"].values()
    names = [task["componentRef"]["name"].removeprefix("comp-") for task in tasks]
    done = {path.parent.name for path in root.glob("*/*/executor_output.json")}
    if skipped := [name for name in names if name not in done]:
        raise RunError(f"KFP skipped {', '.join(skipped)} and said nothing")


def _use_this_python(workspace: Path) -> None:
    """Make `python3` ours by PATH.

    KFP would replace the word in the whole command, the parameters (a store's path) included.
    """
    folder = workspace / "bin"
    folder.mkdir()
    script = folder / "python3"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    sys.executable = "python3"


def main() -> int:
    """Run the request named on the command line; 1 if it failed, with the cause recorded."""
    lifeline.watch()
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        run_compiled(
            Path(request["pipeline"]),
            request["parameters"],
            workspace=Path(request["workspace"]),
        )
    except Exception as error:
        record(PIPELINE, "failed", message=explain(error))
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
