"""`goldsmith check`: is this machine, store, run, data set or model fit for use?"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from goldsmith.cli.options import JsonOption, StoreOption, answer, say, store_at, table
from goldsmith.errors import ConfigError, GoldsmithError, RunError
from goldsmith.pipeline.failures import explain
from goldsmith.pipeline.manifest import read_run_manifest, step_records
from goldsmith.pipeline.runs import load_run
from goldsmith.store.directories import fetch_directory
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.probe import probe

LEAST_FREE_GB = 2.0
MOST_WARNINGS = 5
_MODULES = ("kfp", "torch", "transformers", "trl", "peft", "textworld", "tantivy", "scipy")

Check = Callable[[], str]
"""Says what is right; raises what is wrong."""


def check(
    what: Annotated[
        str, typer.Argument(metavar="[RUN | store | data | model]", help="This machine by default.")
    ] = "",
    path: Annotated[Path | None, typer.Argument(help="For `data` and `model`.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine, a store, a run, a data set or a model, and change nothing."""
    if (what in ("data", "model")) != (path is not None):
        raise ConfigError("give a path with `check data` and `check model` only")
    match what:
        case "":
            checks = _machine(store)
        case "store":
            checks = {"store": lambda: probe(store_at(store))}
        case "data":
            checks = {"data set": lambda: _data(path or Path())}
        case "model":
            checks = {"model": lambda: _model(path or Path())}
        case _:
            checks = _run(store_at(store), what)
    _say(_results(checks), as_json=as_json)


def _results(checks: dict[str, Check]) -> list[dict[str, Any]]:
    results = []
    for name, work in checks.items():
        try:
            results.append({"check": name, "ok": True, "message": work()})
        except (GoldsmithError, OSError) as error:
            results.append({"check": name, "ok": False, "message": explain(error)})
    return results


def _say(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        answer(results)
    else:
        rows = [[r["check"], "ok" if r["ok"] else "WRONG", r["message"]] for r in results]
        say(table(("check", "", "what"), rows))
    wrong = [result for result in results if not result["ok"]]
    if wrong:
        raise RunError(f"{wrong[0]['check']}: {wrong[0]['message']}")


def _machine(url: str | None) -> dict[str, Check]:
    return {
        "python": _python,
        "packages": _packages,
        "disk": _disk,
        "store": lambda: probe(store_at(url)),
    }


def _python() -> str:
    version = platform.python_version()
    if sys.version_info[:2] != (3, 11):
        raise RunError(f"Python {version}", fix="use Python 3.11")
    return version


def _packages() -> str:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise RunError(f"{', '.join(missing)} missing", fix="pip install 'goldsmith[laptop]'")
    return f"{len(_MODULES)} packages of the laptop extra"


def _disk() -> str:
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free < LEAST_FREE_GB:
        raise RunError(f"{free:.1f} GB free", fix=f"free {LEAST_FREE_GB} GB, or set TMPDIR")
    return f"{free:.0f} GB free in {tempfile.gettempdir()}"


def _data(path: Path) -> str:
    from goldsmith.data.validator import validate_file

    report = validate_file(path)
    report.stop_the_line()
    warnings = "; ".join(str(finding) for finding in report.findings[:MOST_WARNINGS])
    return f"{report.records} records" + (f", warnings: {warnings}" if warnings else "")


def _model(path: Path) -> str:
    from goldsmith.registry.intake import check_artefact

    artefact = check_artefact(path)
    return f"{artefact.architecture}, {artefact.parameters:,} parameters, {artefact.size:,} bytes"


def _run(store: ObjectStore, run_id: str) -> dict[str, Check]:
    """Every sealed document of a run, and every byte of its data set and models."""
    load_run(store, run_id)
    outputs = [step["outputs"] for step in step_records(store, run_id).values()]
    references = {value for output in outputs for value in output.values()}
    wanted = ("datasets/", "models/", "checkpoints/")
    directories = sorted(r for r in references if isinstance(r, str) and r.startswith(wanted))
    checks: dict[str, Check] = {"manifest": lambda: _manifest(store, run_id)}
    return checks | {name: _directory(store, name) for name in directories}


def _manifest(store: ObjectStore, run_id: str) -> str:
    manifest = read_run_manifest(store, run_id)
    return manifest["status"] if manifest else "the run has not ended yet"


def _directory(store: ObjectStore, prefix: str) -> Check:
    def work() -> str:
        with tempfile.TemporaryDirectory() as scratch:
            manifest = fetch_directory(store, prefix, Path(scratch))
        return f"{len(manifest['files'])} files are whole"

    return work
