"""The traces: `goldsmith collect`, and `traces tail|stats|export|forget`.

What is imported inside the verbs needs the extra `serve`, which not every image has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from goldsmith.cli.options import (
    DryRunOption,
    JsonOption,
    StoreOption,
    answer,
    say,
    store_at,
    table,
)
from goldsmith.config.serving import TraceSettings, load_serving
from goldsmith.errors import ConfigError, ConflictError
from goldsmith.store.object_store import ObjectStore

app = typer.Typer(help="What was kept of the requests.", no_args_is_help=True)

DayOption = Annotated[
    str, typer.Option("--day", help="2026-11-26, 2026-11 or 2026: only what was kept then (UTC).")
]
TenantOption = Annotated[str, typer.Option("--tenant", help="Only this tenant's.")]
TierOption = Annotated[str, typer.Option("--tier", help="Only this tier's.")]
ConsentedOption = Annotated[
    bool, typer.Option("--consented", help="Only of tenants that consented to training.")
]
DirectoryOption = Annotated[
    Path | None, typer.Option("--directory", help="Local log of the collector.")
]


def collect(
    config: Annotated[
        Path | None, typer.Option("--config", help="The serving configuration (YAML).")
    ] = None,
    directory: DirectoryOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=0, max=65535)] = 8090,
    store: StoreOption = None,
) -> None:
    """Collect the router's traces: durable when acknowledged, sealed into the store."""
    from goldsmith.serving.traces.server import serve_collector  # imports uvicorn

    settings = load_serving(config).traces if config else TraceSettings()
    if directory:
        settings = settings.model_copy(update={"directory": str(directory)})
    serve_collector(settings, store_at(store), host=host, port=port)


@app.command()
def tail(
    count: Annotated[int, typer.Option("--count", "-n", help="How many.", min=1)] = 10,
    day: DayOption = "",
    tenant: TenantOption = "",
    tier: TierOption = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the traces that were sealed last."""
    from goldsmith.serving.traces import archive

    choice = archive.Choice(day=_day(day), tenant=tenant, tier=tier)
    records = archive.tail(store_at(store), choice, count=count)
    if as_json:
        answer(records)
        return
    columns = ("at", "request_id", "tenant", "tier", "version", "status", "tokens", "answer")
    say(table(columns, [_row(record) for record in records]))


@app.command()
def stats(
    day: DayOption = "",
    tenant: TenantOption = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the sealed traces by tenant and tier."""
    from goldsmith.serving.traces import archive

    place = store_at(store)
    found = archive.stats(place, archive.Choice(day=_day(day), tenant=tenant))
    if as_json:
        answer(asdict(found))
        return
    if not found.records:
        say(f"No traces in {place.url}")
        return
    say(
        f"{found.records} traces in {found.segments} segments, {found.bytes / 1e6:.1f} MB, "
        f"{_time(found.first_at)} to {_time(found.last_at)}",
        table(("tenant", "traces"), list(found.tenants.items())),
        table(("tier", "traces"), list(found.tiers.items())),
    )


@app.command()
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, one a trace.")],
    day: DayOption = "",
    tenant: TenantOption = "",
    tier: TierOption = "",
    consented: ConsentedOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the sealed traces to a file, each request once; the file appears whole or not."""
    from goldsmith.serving.traces import archive

    choice = archive.Choice(day=_day(day), tenant=tenant, tier=tier, consented=consented)
    count = _write(output, archive.read(store_at(store), choice))
    if as_json:
        answer({"file": str(output), "traces": count})
    else:
        say(f"{output}: {count} traces")


@app.command("forget")
def forget_tenant(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose traces are to go.")],
    directory: DirectoryOption = None,
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a tenant's traces: from the store now, from the collectors' logs when they seal.

    With --directory, a local log whose collector does not run is sealed at once.
    """
    from goldsmith.serving.traces import forget

    place = store_at(store)
    if dry_run:
        held = {sealed.key: sealed.tenants[tenant] for sealed in forget.held(place, tenant)}
        _say_forgotten(tenant, held, dry_run=True, as_json=as_json)
        return
    tombstone = forget.bury(place, tenant)
    if directory:
        _seal_local(place, directory)
    gone: dict[str, int] = {}
    forget.forget(place, tombstone, told=lambda key, count: gone.update({key: count}))
    _say_forgotten(tenant, gone, dry_run=False, as_json=as_json)


def _seal_local(store: ObjectStore, directory: Path) -> None:
    """Seal what a collector that does not run left; one that runs does so itself."""
    from goldsmith.serving.traces.journal import Journal
    from goldsmith.serving.traces.sealer import seal_segment

    try:
        journal = Journal(directory, max_disk_bytes=1, seal_s=1.0)
    except ConflictError:
        say(f"{directory} is in use: its collector leaves the traces out when it seals")
        return
    for path in journal.closed():
        seal_segment(store, path)
        journal.remove(path)
    journal.close()


def _say_forgotten(tenant: str, segments: dict[str, int], *, dry_run: bool, as_json: bool) -> None:
    total = sum(segments.values())
    if as_json:
        answer({"tenant": tenant, "dry_run": dry_run, "traces": total, "segments": segments})
        return
    word = "would leave" if dry_run else "left"
    say(*(f"{key}: {count} traces {word}" for key, count in segments.items()))
    say(f"{total} traces of {tenant} {word} the store")


def _write(output: Path, records: Iterator[dict[str, Any]]) -> int:
    import orjson

    temporary, count = output.with_name(f".{output.name}.new"), 0
    try:
        with temporary.open("wb") as file:
            for record in records:
                file.write(orjson.dumps(record) + b"\n")
                count += 1
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _row(record: dict[str, Any]) -> list[object]:
    names = ("request_id", "tenant", "tier", "version", "status")
    tokens = f"{record.get('tokens_in', 0)}+{record.get('tokens_out', 0)}"
    text = " ".join(str(record.get("answer", "")).split())
    return [_time(record["at"]), *(record.get(name, "") for name in names), tokens, text[:60]]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _day(day: str) -> str:
    """A day, month or year; ConfigError for anything else."""
    for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            return datetime.strptime(day, form).strftime(form) if day else ""
        except ValueError:
            continue
    raise ConfigError(f"{day!r} is no day", fix="write 2026-11-26, 2026-11 or 2026")
