"""The program `goldsmith`: one verb a command, one line an error.

Exit codes: 0 done (a held candidate too), 1 failed, 2 a mistake in the command or configuration,
130 interrupted. GOLDSMITH_DEBUG=1 shows the stack trace behind an error.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import typer

from goldsmith.cli import (
    adapters,
    check,
    cluster,
    inspect,
    models,
    rollout,
    route,
    run,
    serve,
    submit,
    traces,
)
from goldsmith.cli.options import Interrupted
from goldsmith.errors import ConfigError
from goldsmith.pipeline.failures import explain

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]  # click's own, or typer's copy

INTERRUPTED = 130

app = typer.Typer(
    name="goldsmith",
    help="Turns a domain's rules and expert play into small, fast, cheap models.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(inspect.status)
app.command()(inspect.report)
app.command()(inspect.logs)
app.command()(inspect.ledger)
app.command()(check.check)
app.add_typer(models.app, name="models")
app.command()(models.rollback)
app.command()(models.why)
app.command()(serve.serve)
app.add_typer(route.app, name="route")
app.add_typer(adapters.app, name="adapters")
app.add_typer(traces.app, name="traces")
app.command()(traces.collect)
app.command()(submit.submit)
app.command()(submit.terminate)
app.command("preflight")(cluster.check_cluster)
app.command("plan")(cluster.plan_run)
app.add_typer(cluster.pipeline_app, name="pipeline")
cluster.operate_app.command("adapters")(adapters.operate_adapters)
cluster.operate_app.command("adapter-agent")(adapters.operate_adapter_agent)
cluster.operate_app.command("rollout")(rollout.operate_rollout)
app.add_typer(cluster.operate_app, name="operate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        status = app(given or ["--help"], prog_name="goldsmith", standalone_mode=False)
    except USAGE_ERROR as error:
        return _complain(_usage(error), status=2)
    except Interrupted as error:
        return _complain(str(error), status=INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", status=INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("GOLDSMITH_DEBUG"):
            raise
        return _complain(explain(error), status=2 if isinstance(error, ConfigError) else 1)
    if status == INTERRUPTED:  # what typer makes of KeyboardInterrupt
        return _complain("interrupted", status=INTERRUPTED)
    return status if isinstance(status, int) else 0


def _usage(error: Exception) -> str:
    """Click's message, which names the option and the nearest one."""
    message: str = error.format_message()  # type: ignore[attr-defined]  # of UsageError
    return f"{message.rstrip('.')}; try goldsmith --help"


def _complain(message: str, *, status: int) -> int:
    sys.stderr.write(f"goldsmith: {' '.join(message.split())}\n")
    return status
