"""`goldsmith adapters list|swap|rollback`, and what the chart runs for them.

`swap` and `rollback` only move an alias in the store. The adapter controller sees that and does the
rest; with `--router` the verb waits until every router there gives requests the new version.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from goldsmith.cli.models import TIERS, _person, _tiers
from goldsmith.cli.options import (
    DryRunOption,
    JsonOption,
    StoreOption,
    answer,
    say,
    store_at,
    table,
)
from goldsmith.config.load import nearest
from goldsmith.config.serving import load_serving
from goldsmith.errors import ConfigError, NotFoundError, StoreError
from goldsmith.registry import adapters, models
from goldsmith.registry.adapters import AdapterVersion
from goldsmith.registry.aliases import Alias
from goldsmith.registry.intake import check_artefact
from goldsmith.store.directories import digest_directory
from goldsmith.store.object_store import ObjectStore

app = typer.Typer(help="LoRA adapters, swapped while requests run.", no_args_is_help=True)
AdapterArgument = Annotated[str, typer.Argument(metavar="TIER/ADAPTER")]
RouterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--router",
        envvar="GOLDSMITH_ROUTER_ADMIN",
        help="Admin URL of a router, or dns://host:port of all; may be given again.",
    ),
]
WaitOption = Annotated[float, typer.Option("--wait", help="Seconds to wait for the routers.")]


@app.command("list")
def list_adapters(
    tier: Annotated[str, typer.Argument(metavar="[TIER]")] = "",
    router: RouterOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every adapter, its live version, and what the routers make of it."""
    place = store_at(store)
    rows = [row for name in _tiers(tier) for row in _rows(place, name, router or [])]
    if as_json:
        answer(rows)
        return
    columns = ("tier", "adapter", "version", "name", "epoch", "routed", "replicas", "cause")
    say(table(columns, [[row[column] for column in columns] for row in rows]))


@app.command()
def swap(
    adapter: AdapterArgument,
    source: Annotated[str, typer.Argument(help="A folder, or a version that is registered.")],
    router: RouterOption = None,
    wait: WaitOption = 120.0,
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make another version of an adapter live."""
    place = store_at(store)
    tier, name = _split(adapter)
    before = _alias(place, tier, name)
    if dry_run:
        _would(tier, name, before, _preview(place, tier, name, source), as_json=as_json)
        return
    version = _version(place, tier, name, source)
    alias = adapters.promote(
        place,
        tier,
        name,
        version,
        cause=f"swapped by {_person()}",
        judged_against=before.live if before else "",
    )
    _finish(place, tier, name, alias, routers=router, wait_s=wait, as_json=as_json)


@app.command()
def rollback(
    adapter: AdapterArgument,
    router: RouterOption = None,
    wait: WaitOption = 120.0,
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the version before the live one live again."""
    place = store_at(store)
    tier, name = _split(adapter)
    before = adapters.read_alias(place, tier, name)[0]
    if dry_run:
        target = before.previous[-1] if before.previous else ""
        if not target:
            raise StoreError(f"adapter {adapter} has no version before {before.live}")
        found = adapters.find(place, tier, name, target)
        _would(tier, name, before, found, as_json=as_json)
        return
    cause = f"rolled back from {before.live} by {_person()}"
    alias = adapters.rollback(place, tier, name, cause=cause, expected=before.live)
    _finish(place, tier, name, alias, routers=router, wait_s=wait, as_json=as_json)


def operate_adapters(
    config: Annotated[Path, typer.Option("--config", help="The serving configuration.")],
    root: Annotated[
        Path | None, typer.Option(help="Folder that engines load adapters from, without agents.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of the health page.")] = 8083,
    store: StoreOption = None,
) -> None:
    """Keep engines and routers as the adapters' aliases say."""
    from goldsmith.serving.adapters.controller import control  # imports aiohttp

    async def work(stopped: asyncio.Event) -> None:
        await control(settings, place, root=root, port=port, stopped=stopped)

    settings, place = load_serving(config), _store_here(store)
    _run_until_told(work)


def operate_adapter_agent(
    root: Annotated[Path, typer.Option(help="Folder that the engine loads adapters from.")],
    engine: Annotated[str, typer.Option(help="URL of the engine.")] = "http://127.0.0.1:8080",
    port: Annotated[int, typer.Option(help="Where the adapter controller asks.")] = 8082,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",
    store: StoreOption = None,
) -> None:
    """Fetch adapters for the engine in the same pod."""
    from goldsmith.serving.adapters.agent import Agent, serve_app  # imports aiohttp
    from goldsmith.serving.adapters.shelf import Shelf

    async def work(stopped: asyncio.Event) -> None:
        server = await serve_app(Agent(shelf, engine=engine).app(), host=host, port=port)
        await stopped.wait()
        await server.cleanup()

    shelf = Shelf(root, _store_here(store))
    _run_until_told(work)


def _run_until_told(work: Any) -> None:
    """Run until SIGTERM or Ctrl-C, with a log line for each step."""

    async def main() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await work(stopped)

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())


def _store_here(url: str | None) -> ObjectStore:
    """The flag's store, else the cluster's in a pod, else the default."""
    from goldsmith.cluster.environment import enter

    place = None if url else enter()
    return store_at(place.store.url if place else url)


def _split(adapter: str) -> tuple[str, str]:
    """Tier and name of TIER/ADAPTER."""
    tier, _, name = adapter.partition("/")
    if tier not in TIERS:
        raise ConfigError(f"{adapter[:80]!r} is no TIER/ADAPTER", fix=nearest(tier, TIERS))
    return tier, adapters.check_name(name)


def _alias(store: ObjectStore, tier: str, adapter: str) -> Alias | None:
    try:
        return adapters.read_alias(store, tier, adapter)[0]
    except NotFoundError:
        return None


def _version(store: ObjectStore, tier: str, adapter: str, source: str) -> str:
    """The registered version that `source` names; a folder is registered first."""
    if Path(source).is_dir():
        lineage = {"source": f"{tier}/{adapter}, from {Path(source).name} by {_person()}"}
        return adapters.add(store, Path(source), tier=tier, lineage=lineage)
    version = source.removeprefix(f"models/{tier}/").removeprefix(f"{tier}/")
    known = models.versions(store, tier)
    if version not in known:
        raise NotFoundError(
            f"{source} is neither a folder nor a version of {tier}", fix=nearest(version, known)
        )
    return version


def _preview(store: ObjectStore, tier: str, adapter: str, source: str) -> AdapterVersion:
    """What `swap` would make live; nothing is registered."""
    if not Path(source).is_dir():
        return adapters.find(store, tier, adapter, _version(store, tier, adapter, source))
    if check_artefact(Path(source)).form != "adapter":
        raise ConfigError(f"{source} is no adapter", why="it holds a whole model")
    digest = digest_directory(Path(source))
    return AdapterVersion(tier, adapter, f"v-{digest[:12]}", digest)


def _would(
    tier: str, adapter: str, before: Alias | None, wanted: AdapterVersion, *, as_json: bool
) -> None:
    document = {
        "adapter": f"{tier}/{adapter}",
        "live": before.live if before else "",
        "would_be": wanted.version,
        "name": wanted.name,
        "dry_run": True,
    }
    if as_json:
        answer(document)
    else:
        say(f"{tier}/{adapter} would go from {document['live'] or 'nothing'} to {wanted.version}")


def _finish(
    store: ObjectStore,
    tier: str,
    adapter: str,
    alias: Alias,
    *,
    routers: list[str] | None,
    wait_s: float,
    as_json: bool,
) -> None:
    """Wait for the routers, if some are named, and say what is live."""
    wanted = adapters.find(store, tier, adapter, alias.live)
    waited_s: float | None = None
    if routers:
        from goldsmith.serving.adapters import reports  # imports aiohttp

        waited_s = reports.wait_until_routed(routers, wanted, epoch=alias.epoch, limit_s=wait_s)
    if as_json:
        answer({**asdict(alias), "name": wanted.name, "routed_after_s": waited_s})
        return
    say(f"{tier}/{adapter} is {alias.live} now ({wanted.name}, epoch {alias.epoch})")
    if waited_s is None:
        say("The adapter controller brings it to the engines; --router URL waits for that.")
    else:
        say(f"Every router gives requests this version, {waited_s:.1f} s later.")


def _rows(store: ObjectStore, tier: str, routers: list[str]) -> list[dict[str, Any]]:
    from goldsmith.serving.adapters import reports  # imports aiohttp

    states = reports.routers_say(routers, tier) if routers else ()
    rows = []
    for name in adapters.names(store, tier):
        alias = adapters.read_alias(store, tier, name)[0]
        wanted = adapters.find(store, tier, name, alias.live)
        row = {
            "tier": tier,
            "adapter": name,
            "version": alias.live,
            "name": wanted.name,
            "epoch": alias.epoch,
            "previous": list(alias.previous),
            "cause": alias.cause,
            "routed": reports.routed(states, wanted) if states else None,
            "replicas": reports.able_replicas(states, wanted.name) if states else None,
        }
        rows.append(row)
    return rows
