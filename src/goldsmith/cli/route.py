"""Looking at the router's decisions: `route explain`, `route replay`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from goldsmith.cli.options import JsonOption, answer, say, table
from goldsmith.errors import DataError

app = typer.Typer(no_args_is_help=True, help="Look at the router's decisions.")

LogArgument = Annotated[
    Path, typer.Argument(metavar="LOG", help="A file that router.decision_log names.")
]


@app.command()
def explain(
    log: LogArgument,
    request_id: Annotated[
        str, typer.Argument(metavar="[REQUEST_ID]", help="One request; the latest by default.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Say in words why a request went where it went."""
    from goldsmith.serving.routing.explain import explain as words
    from goldsmith.serving.routing.replay import decisions_of

    decisions = decisions_of(log, request_id)
    if not decisions:
        raise DataError(f"decision log {log}", why="it holds no decision yet")
    shown = decisions if request_id else decisions[-1:]
    if as_json:
        answer([asdict(one) | {"words": words(one)} for one in shown])
        return
    for one in shown:
        say(words(one))


@app.command()
def replay(log: LogArgument, as_json: JsonOption = False) -> None:
    """Decide again from the logged events; fails where a decision differs."""
    from goldsmith.serving.routing.replay import replay as run_again

    report = run_again(log)
    if as_json:
        answer(asdict(report) | {"identical": report.identical})
    else:
        say(table(("reason", "decisions"), [[name, n] for name, n in report.reasons.items()]))
        say(f"{report.decisions} decisions from {report.events} events decided again")
    if not report.identical:
        raise DataError(
            f"decision log {log}",
            why=f"{report.different} decisions differ; the first\n{report.first_difference}",
            fix="replay with the version of Goldsmith that wrote it",
        )
    if not as_json:
        say("All are the same, bit for bit.")
