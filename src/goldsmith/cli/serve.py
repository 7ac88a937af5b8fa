"""`goldsmith serve`: the tiers that the registry holds, and the router in front of them, here."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
import yaml

from goldsmith.cli.options import (
    DryRunOption,
    Interrupted,
    JsonOption,
    OverridesArgument,
    StoreOption,
    answer,
    say,
    store_at,
    table,
)
from goldsmith.config.load import nearest, parse_mapping, read_config
from goldsmith.config.run import Tier
from goldsmith.config.serving import EngineName
from goldsmith.errors import ConfigError, GoldsmithError
from goldsmith.registry.bases import ensure_bases
from goldsmith.store.object_store import ObjectStore

if TYPE_CHECKING:
    from goldsmith.serving.local.stack import Stack

log = logging.getLogger(__name__)

DEFAULT_STATE = "~/.goldsmith-serve"
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
TIERS: tuple[Tier, ...] = get_args(Tier)

TiersOption = Annotated[
    str, typer.Option("--tiers", help="e.g. gold,silver; all that are live by default.")
]
EngineOption = Annotated[str, typer.Option("--engine", help=f"One of {', '.join(ENGINES)}.")]
ServingOption = Annotated[
    Path | None, typer.Option("--config", help="A YAML file over the defaults.")
]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="Folder of traces, jobs, logs and adapters.")
]


def serve(
    overrides: OverridesArgument = None,
    store: StoreOption = None,
    tiers: TiersOption = "",
    engine: EngineOption = "builtin",
    port: Annotated[int, typer.Option(help="Of the router.")] = 8080,
    config: ServingOption = None,
    state: StateOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the live models behind one OpenAI-compatible router, until Ctrl-C."""
    from goldsmith.serving.local.stack import live_versions, stack  # imports aiohttp

    place = store_at(store)
    folder = (state or Path(os.environ.get("GOLDSMITH_STATE", DEFAULT_STATE))).expanduser()
    settings = parse_mapping(read_config(config), source=str(config)) if config else {}
    flags = [f"router.port={port}", *(overrides or [])]
    chosen = _tiers(tiers)
    if not dry_run:
        ensure_bases(place)

    def make() -> Stack:
        return stack(
            live_versions(place, chosen),
            store=place,
            state=folder.resolve(),
            engine=_engine(engine),
            settings=settings,
            flags=flags,
        )

    if dry_run:
        _say_plan(make(), as_json=as_json)
        return
    try:
        while True:
            _serve_until_moved(make(), place, folder, as_json=as_json)
            say("A tier has another live version: starting again with it")
    except KeyboardInterrupt:
        raise Interrupted("stopped; what was acknowledged is kept in " + str(folder)) from None


def _serve_until_moved(plan: Stack, store: ObjectStore, state: Path, *, as_json: bool) -> None:
    """Serve one set of versions until an alias moves."""
    from goldsmith.serving.local.stack import check_place, fetch_models, write_config
    from goldsmith.serving.local.supervisor import Supervisor

    check_place(plan.config, state)
    fetch_models(store, plan.versions, state=state)
    write_config(plan.config, state)
    supervisor = Supervisor(plan, state)
    try:
        supervisor.start(lambda name, after_s: None if as_json else say(f"{name} {after_s:.1f} s"))
        _say_ready(plan, as_json=as_json)
        supervisor.watch(lambda: _moved(store, plan))
    finally:
        supervisor.stop()


def _moved(store: ObjectStore, plan: Stack) -> bool:
    """Whether another version is live; a store that cannot be read ends nothing that serves."""
    from goldsmith.serving.local.stack import live_versions

    try:
        return live_versions(store, tuple(plan.versions)) != plan.versions
    except GoldsmithError as error:
        log.warning("Serving goes on with what it has: %s", error)
        return False


def _tiers(text: str) -> tuple[Tier, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in TIERS:
            raise ConfigError(f"unknown tier {name!r}", fix=nearest(name, TIERS))
    return cast("tuple[Tier, ...]", tuple(names))


def _engine(name: str) -> EngineName:
    for known in ENGINES:
        if known == name:
            return known
    raise ConfigError(f"unknown engine {name!r}", fix=nearest(name, ENGINES))


def _say_plan(plan: Stack, *, as_json: bool) -> None:
    parts = [{"part": part.name, "command": list(part.command)} for part in plan.parts]
    if as_json:
        answer({"parts": parts, "config": plan.config.model_dump(mode="json")})
        return
    say(yaml.safe_dump(plan.config.model_dump(mode="json", exclude_none=True), sort_keys=False))
    say(table(("part", "command"), [[p["part"], " ".join(p["command"])] for p in parts]))


def _say_ready(plan: Stack, *, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "url": plan.url,
        "console": f"{plan.url}/console",
        "admin": f"http://127.0.0.1:{plan.config.router.admin_port}",
        "versions": dict(plan.versions),
    }
    if as_json:
        answer(facts)
        return
    rows = [
        [tier, version, plan.config.tiers[tier].engine] for tier, version in plan.versions.items()
    ]
    say(table(("tier", "version", "engine"), rows))
    say(f"OpenAI API: {plan.url}/v1    console: {plan.url}/console    Ctrl-C ends it")
