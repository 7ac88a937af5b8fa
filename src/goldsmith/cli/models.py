"""The registry: `models list|show|verify|promote|export`, `rollback`, `why`."""

from __future__ import annotations

import getpass
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

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
from goldsmith.config.load import nearest
from goldsmith.config.run import Tier
from goldsmith.errors import ConfigError, NotFoundError
from goldsmith.registry import models
from goldsmith.registry.aliases import Alias, read_alias
from goldsmith.store.object_store import ObjectStore

app = typer.Typer(help="The models that the registry keeps.", no_args_is_help=True)
TIERS: tuple[str, ...] = get_args(Tier)
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="TIER/VERSION, or TIER for what is live.")
]


@app.command("list")
def list_models(
    tier: Annotated[str, typer.Argument(metavar="[TIER]")] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every version, and which one is live."""
    place = store_at(store)
    rows = [row for name in _tiers(tier) for row in _rows(place, name)]
    if as_json:
        answer(rows)
        return
    columns = ("tier", "version", "live", "verdict", "run_id", "parameters", "size")
    say(table(columns, [[row[column] for column in columns] for row in rows]))


def _rows(store: ObjectStore, tier: str) -> list[dict[str, Any]]:
    alias = _alias(store, tier)
    return [
        {
            "tier": tier,
            "version": version,
            "live": bool(alias and alias.live == version),
            **_facts(models.show(store, tier, version)),
        }
        for version in models.versions(store, tier)
    ]


def _facts(manifest: dict[str, Any]) -> dict[str, Any]:
    artefact = manifest.get("artefact", {})
    return {
        "verdict": manifest["gate"].get("word", ""),
        "run_id": manifest["lineage"].get("run", {}).get("run_id", ""),
        "parameters": artefact.get("parameters", 0),
        "size": artefact.get("size", 0),
    }


@app.command()
def show(model: ModelArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show a version: files, lineage, gate."""
    place = store_at(store)
    tier, version = _name(place, model)
    manifest = models.show(place, tier, version)
    if as_json:
        answer(manifest)
        return
    files = [[name, entry["size"], entry["sha256"]] for name, entry in manifest["files"].items()]
    say(f"{tier}/{version}", "", table(("file", "bytes", "sha256"), files), "")
    say(*_why_lines(place, tier, version, manifest))


@app.command()
def verify(model: ModelArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check the signature and every byte of a version."""
    place = store_at(store)
    tier, version = _name(place, model)
    manifest = models.verify(place, tier, version)
    if as_json:
        answer({"tier": tier, "version": version, "digest": manifest["digest"], "verified": True})
    else:
        say(f"{tier}/{version} is whole: {len(manifest['files'])} files, {manifest['digest']}")


@app.command()
def promote(
    model: ModelArgument,
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a version live, whatever the gate said."""
    place = store_at(store)
    tier, version = _name(place, model)
    models.verify(place, tier, version)
    before = _alias(place, tier)
    against = before.live if before else ""
    if dry_run:
        _would(tier, before, version, as_json=as_json)
        return
    cause = f"promoted by {_person()}"
    _moved(
        models.promote(place, tier, version, cause=cause, judged_against=against), as_json=as_json
    )


@app.command()
def export(
    model: ModelArgument,
    directory: Annotated[Path, typer.Argument(help="A new folder.")],
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a verified version out of the store."""
    place = store_at(store)
    tier, version = _name(place, model)
    if dry_run:
        manifest = models.show(place, tier, version)
    else:
        manifest = models.export(place, tier, version, directory)
    document = {"tier": tier, "version": version, "directory": str(directory)}
    if as_json:
        answer({**document, "files": sorted(manifest["files"]), "dry_run": dry_run})
    else:
        verb = "would be copied" if dry_run else "is copied"
        say(f"{tier}/{version} {verb} to {directory}")


def rollback(
    tier: Annotated[str, typer.Argument(metavar="TIER")],
    store: StoreOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the version before the live one live again."""
    place = store_at(store)
    (tier,) = _tiers(tier)
    before = read_alias(place, tier)[0]
    if dry_run:
        _would(tier, before, before.previous[-1] if before.previous else "", as_json=as_json)
        return
    cause = f"rolled back from {before.live} by {_person()}"
    _moved(models.rollback(place, tier, cause=cause), as_json=as_json)


def why(model: ModelArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say where a version comes from and why it is live, or is not."""
    place = store_at(store)
    tier, version = _name(place, model)
    manifest = models.show(place, tier, version)
    alias = _alias(place, tier)
    if as_json:
        facts = {key: manifest[key] for key in ("tier", "version", "lineage", "gate")}
        answer({**facts, "alias": asdict(alias) if alias else None})
    else:
        say(*_why_lines(place, tier, version, manifest))


def _why_lines(store: ObjectStore, tier: str, version: str, manifest: dict[str, Any]) -> list[str]:
    alias, lineage, gate = _alias(store, tier), manifest["lineage"], manifest["gate"]
    live = alias is not None and alias.live == version
    state = (
        f"is live on {tier} (epoch {alias.epoch}: {alias.cause})"
        if alias and live
        else (f"is not live; {alias.live if alias else 'nothing'} is")
    )
    lines = [f"{tier}/{version} {state}"]
    if run := lineage.get("run"):
        lines.append(f"trained by run {run['run_id']} (domain {run['domain']}, seed {run['seed']})")
    for name in ("source", "dataset", "model", "judged_against"):
        if lineage.get(name):
            lines.append(f"{name.replace('_', ' ')}: {lineage[name]}")
    if gate:
        lines.append(f"gate: {gate['word']}")
    return lines + [f"  {reason}" for reason in gate.get("reasons", [])]


def _name(store: ObjectStore, model: str) -> tuple[str, str]:
    """Tier and version of `TIER/VERSION`, `models/TIER/VERSION`, or `TIER` for what is live."""
    tier, _, version = model.removeprefix("models/").rstrip("/").partition("/")
    _tiers(tier)
    if not version:
        return tier, models.live(store, tier)
    known = models.versions(store, tier)
    if version not in known:
        fix = nearest(version, known) if known else "`goldsmith run` registers the bases"
        raise NotFoundError(f"no model {tier}/{version} in {store.url}", fix=fix)
    return tier, version


def _tiers(tier: str) -> tuple[str, ...]:
    if tier and tier not in TIERS:
        raise ConfigError(f"unknown tier {tier!r}", fix=nearest(tier, TIERS))
    return (tier,) if tier else TIERS


def _alias(store: ObjectStore, tier: str) -> Alias | None:
    try:
        return read_alias(store, tier)[0]
    except NotFoundError:
        return None


def _would(tier: str, before: Alias | None, version: str, *, as_json: bool) -> None:
    live = before.live if before else ""
    if as_json:
        answer({"tier": tier, "live": live, "would_be_live": version, "dry_run": True})
    elif version:
        say(f"{tier}: {version} would be live instead of {live or 'nothing'}")
    else:
        say(f"{tier}: there is no version before {live}")


def _moved(alias: Alias, *, as_json: bool) -> None:
    if as_json:
        answer(asdict(alias))
    else:
        say(f"{alias.tier}: {alias.live} is live (epoch {alias.epoch}, {alias.cause})")


def _person() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"
    return f"{name}@{socket.gethostname()}"
