"""Options that several verbs share, and how a verb answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from goldsmith.config.load import profiles
from goldsmith.pipeline.runs import resolve_store
from goldsmith.store.object_store import ObjectStore, open_store

OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="e.g. srl.group_size=4")
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help=f"One of {', '.join(profiles())}.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="A YAML file instead of a profile.")
]
TierOption = Annotated[str | None, typer.Option(help="bronze, silver or gold.")]
DomainOption = Annotated[str | None, typer.Option(help="cooking, reasoning or a plug-in.")]
SeedOption = Annotated[int | None, typer.Option(help="Another seed, another run.")]
RunIdOption = Annotated[str, typer.Option(help="Name of the run; made up by default.")]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="A directory or s3://bucket/prefix [GOLDSMITH_STORE]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]


class Interrupted(Exception):
    """A person stopped the verb; the text says how to go on. Typer swallows KeyboardInterrupt."""


def settings(overrides: Sequence[str] | None, **chosen: object) -> list[str]:
    """Dotted flags: the options that were given (tier, domain, seed), then the overrides."""
    flags = [f"{key}={value}" for key, value in chosen.items() if value is not None]
    return [*flags, *(overrides or [])]


def store_at(url: str | None) -> ObjectStore:
    """The store of the flag, else of GOLDSMITH_STORE, else the default."""
    return open_store(resolve_store(url))


def answer(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a JSON document."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def say(*lines: object) -> None:
    """Print for a person: text or rich tables."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for line in lines:
        console.print(line)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> Table:
    """A plain table; numbers to the right."""
    result = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) for row in rows)
        result.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        result.add_row(*("" if cell is None else str(cell) for cell in row))
    return result


def seconds(value: float | None) -> str:
    """m:ss."""
    return "" if value is None else f"{int(value) // 60}:{int(value) % 60:02d}"
