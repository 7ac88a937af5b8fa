"""Looking at runs: `status`, `report`, `logs`, `ledger`."""

from __future__ import annotations

import time
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from goldsmith.cli.options import JsonOption, StoreOption, answer, say, seconds, store_at, table
from goldsmith.errors import RunError
from goldsmith.pipeline.attempt import state_directory
from goldsmith.pipeline.lease import read_holder
from goldsmith.pipeline.ledger import ledger as read_ledger
from goldsmith.pipeline.ledger import read_attempts
from goldsmith.pipeline.manifest import read_run_manifest, step_records
from goldsmith.pipeline.runs import STEPS, read_config, run_ids
from goldsmith.store.layout import attempts_prefix
from goldsmith.store.object_store import ObjectStore

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")]
FOLLOW_S = 0.5


def status(
    run_id: Annotated[str, typer.Argument(metavar="[RUN]")] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how runs are, or one run step by step."""
    place = store_at(store)
    if run_id:
        _say_run(run_state(place, run_id), as_json=as_json)
        return
    states = [run_state(place, name) for name in run_ids(place)]
    if as_json:
        answer(states)
    elif not states:
        say(f"No runs in {place.url}. Start one: goldsmith run")
    else:
        columns = ("run_id", "status", "tier", "profile", "at_step", "verdict", "version")
        say(table(columns, [[state[column] for column in columns] for state in states]))


def run_state(store: ObjectStore, run_id: str) -> dict[str, Any]:
    """How a run is now: its manifest's facts, or what its lease and records say."""
    context = read_config(store, run_id)["context"]
    manifest = read_run_manifest(store, run_id) or {}
    holder = read_holder(store, run_id)
    steps = step_records(store, run_id)
    waiting = [step for step in STEPS if step not in steps]
    state = {"cause": "", "verdict": "", "version": "", "at_step": waiting[0] if waiting else ""}
    state |= {key: manifest.get(key, value) for key, value in state.items()}
    if holder:
        state |= {"cause": "", "at_step": waiting[0] if waiting else ""}
    return {
        "run_id": run_id,
        "status": "running" if holder else manifest.get("status", "interrupted"),
        **{key: context[key] for key in ("tier", "domain", "profile", "seed")},
        **state,
        "progress": _last_progress(store, run_id) if holder else None,
        "steps": {name: step["seconds"] for name, step in steps.items()},
    }


def _last_progress(store: ObjectStore, run_id: str) -> dict[str, Any] | None:
    """The newest progress line of the newest attempt."""
    lines = [line for _, lines in read_attempts(store, run_id) for line in lines if "done" in line]
    return lines[-1] if lines else None


def _say_run(state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        answer(state)
        return
    rows = [
        [step, "done", seconds(state["steps"][step])] if step in state["steps"] else [step, "", ""]
        for step in STEPS
    ]
    if line := state["progress"]:
        index = STEPS.index(line["step"]) if line["step"] in STEPS else -1
        if index >= 0 and not rows[index][1]:
            rows[index][1] = f"{line['done']}/{line['total']} {line['text']}".rstrip()
    facts = f"Run {state['run_id']}: {state['status']} ({state['tier']}, {state['profile']})"
    say(facts, table(("step", "state", "time"), rows))
    for name in ("cause", "verdict", "version"):
        if state[name]:
            say(f"{name}: {state[name]}")


def report(
    run_id: RunArgument,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a run anew and say where it is."""
    from goldsmith.pipeline.report import write_report  # imports numpy

    place = store_at(store)
    read_config(place, run_id)
    path = write_report(place, run_id)
    if as_json:
        answer({"run_id": run_id, "report": path})
    else:
        say(path)
    if show and "://" not in path:
        webbrowser.open(Path(path).as_uri())


def logs(
    run_id: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the run ends.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the log of a run's latest attempt."""
    place = store_at(store)
    read_config(place, run_id)
    path = _latest_log(place, run_id)
    if as_json:
        text = path.read_text(encoding="utf-8", errors="replace")
        answer({"run_id": run_id, "log": str(path), "lines": text.splitlines()})
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        while True:
            going = follow and read_holder(place, run_id) is not None
            while text := file.read(1 << 16):
                typer.echo(text, nl=False)
            if not going:
                return
            time.sleep(FOLLOW_S)


def _latest_log(store: ObjectStore, run_id: str) -> Path:
    """The log on this machine; one that lies on S3 is fetched."""
    directory = state_directory(store, run_id) / "attempts"
    numbers = [number for number, _ in read_attempts(store, run_id)]
    numbers += [int(path.name) for path in directory.glob("[0-9]*")]
    if not numbers:
        raise RunError(f"run {run_id} has no log", why="it never started")
    path = directory / str(max(numbers)) / "pipeline.log"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(f"{attempts_prefix(run_id)}{max(numbers)}/pipeline.log", path)
    return path


def ledger(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say where a run's time and memory went, and what was lost to interruptions."""
    place = store_at(store)
    read_config(place, run_id)
    document = read_ledger(place, run_id)
    if as_json:
        answer(document)
        return
    rows = [
        [name, seconds(step["seconds"]), f"{step['peak_memory_mb']:.0f} MB"]
        for name, step in document["steps"].items()
    ]
    totals = [[name, seconds(document[f"{name}_s"])] for name in ("wall", "kept", "lost", "other")]
    say(table(("step", "time", "peak memory"), rows), "", table(("total", "time"), totals))
    if document["lost_s"]:
        say(f"{len(document['attempts'])} attempts; work that did not reach a record is lost.")
