"""`goldsmith preflight`, `plan`, `pipeline` and `operate`: a cluster, and what is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from goldsmith.cli.options import (
    ConfigOption,
    DryRunOption,
    JsonOption,
    OverridesArgument,
    ProfileOption,
    StoreOption,
    TierOption,
    answer,
    say,
    settings,
    table,
)
from goldsmith.cli.place import (
    ClusterOption,
    KFPOption,
    NamespaceOption,
    client_of,
    cluster_at,
    reach_store,
)
from goldsmith.cli.run import new_job
from goldsmith.cluster.client import connect
from goldsmith.cluster.environment import enter
from goldsmith.cluster.pipelines import Pipelines
from goldsmith.cluster.plan import Ask, plan, refuse
from goldsmith.cluster.preflight import Finding, look, preflight
from goldsmith.cluster.reaper import orphans, reap
from goldsmith.errors import ConfigError, GoldsmithError, RunError
from goldsmith.pipeline.compiled import NAME, for_cluster, version_name
from goldsmith.pipeline.manifest import earlier_seconds
from goldsmith.pipeline.runs import Run
from goldsmith.registry import models
from goldsmith.registry.intake import check_artefact
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.probe import probe

pipeline_app = typer.Typer(help="The compiled pipeline, for a cluster.", no_args_is_help=True)
operate_app = typer.Typer(help="What the chart runs in the cluster.", no_args_is_help=True)
ServerOption = Annotated[
    str, typer.Option("--kfp-server", help="Level of its server: 2.0 or 2.18.")
]


def check_cluster(
    store_only: Annotated[
        bool, typer.Option("--store-only", help="Only write and read the store, as this account.")
    ] = False,
    store: StoreOption = None,
    cluster: ClusterOption = None,
    namespace: NamespaceOption = "",
    kfp: KFPOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check that a cluster has what a run needs; say what is missing, and what to run."""
    if store_only:
        findings = [look("store", lambda: probe(_own_store(store, cluster, namespace)))]
    else:
        place = cluster_at(cluster, namespace=namespace)
        reach_store(place)
        client, url = client_of(place), kfp or place.kfp_url
        findings = list(preflight(place, client, open_store(store or place.store.url), kfp_url=url))
    _say_findings(findings, as_json=as_json)


def plan_run(
    overrides: OverridesArgument = None,
    profile: ProfileOption = None,
    config: ConfigOption = None,
    tier: TierOption = None,
    store: StoreOption = None,
    cluster: ClusterOption = None,
    namespace: NamespaceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what a run would ask of which pool, for how long and how much; refuse the impossible.

    With a store, times and the model's size are those of earlier runs and of the live model there.
    """
    place = cluster_at(cluster, namespace=namespace)
    flags = settings(overrides, tier=tier)
    job = new_job(flags, profile=profile, config=config, store=store, run_id="plan")
    known = open_store(store) if store else None
    seconds = earlier_seconds(known, job) if known else {}
    asks = plan(job.config, place, parameters=_parameters(job, known), seconds=seconds)
    if as_json:
        answer([ask.to_json() for ask in asks])
    else:
        _say_asks(asks)
    refuse(asks)


@operate_app.command("reaper")
def reap_jobs(
    namespace: NamespaceOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete jobs whose run is over or gone, or whose deadline has passed."""
    client = connect(namespace)
    found = list(orphans(client, now=datetime.now(UTC))) if dry_run else reap(client)
    if as_json:
        answer([orphan.to_json() for orphan in found])
        return
    word = "Would delete" if dry_run else "Deleted"
    say(*(f"{word} {o.kind} {o.name} of run {o.run_id}: {o.why}" for o in found))
    say(f"{len(found)} orphaned jobs in namespace {client.namespace}")


@pipeline_app.command("export")
def export_pipeline(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; standard output by default.")
    ] = None,
    server: ServerOption = "",
    cluster: ClusterOption = None,
    namespace: NamespaceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the compiled pipeline with the cluster's images, for `kfp run create -f`."""
    text = for_cluster(cluster_at(cluster, namespace=namespace), server=_level(server))
    facts = {"pipeline": NAME, "version": version_name(text)}
    if output:
        output.write_text(text, encoding="utf-8")
    if as_json:
        answer(facts | ({"file": str(output)} if output else {"text": text}))
    elif output:
        say(f"{output}: {NAME} {facts['version']}")
    else:
        typer.echo(text, nl=False)


@pipeline_app.command("upload")
def upload_pipeline(
    server: ServerOption = "",
    cluster: ClusterOption = None,
    namespace: NamespaceOption = "",
    kfp: KFPOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the pipeline known to Kubeflow Pipelines; a version that it has is left alone."""
    place = cluster_at(cluster, namespace=namespace)
    text = for_cluster(place, server=_level(server))
    url, version = kfp or place.kfp_url, version_name(text)
    new = False if dry_run else Pipelines(url).upload(text, name=NAME, version=version)
    if as_json:
        answer({"pipeline": NAME, "version": version, "new": new, "dry_run": dry_run})
        return
    word = "would be uploaded to" if dry_run else "is now in" if new else "was there already, in"
    say(f"{NAME} {version} {word} {url}")


def _level(server: str) -> str:
    if server not in ("", "2.0", "2.18"):
        raise ConfigError(f"unknown level {server!r} of a KFP server", fix="use 2.0 or 2.18")
    return server


def _own_store(url: str | None, cluster: Path | None, namespace: str) -> ObjectStore:
    """The store as this very process would use it: a step, a training pod, or a person."""
    if url:
        return open_store(url)
    place = None if cluster else enter()
    if place is None:
        place = cluster_at(cluster, namespace=namespace)
        reach_store(place)
    return open_store(place.store.url)


def _say_findings(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        answer([finding.to_json() for finding in findings])
    else:
        words = {"ok": "ok", "note": "note", "wrong": "WRONG"}
        say(
            table(("check", "", "what"), [[f.check, words[f.verdict], f.message] for f in findings])
        )
    wrong = [finding for finding in findings if finding.verdict == "wrong"]
    if wrong:
        raise RunError(f"{wrong[0].check}: {wrong[0].message}")


def _parameters(job: Run, store: ObjectStore | None) -> int | None:
    """How many parameters the model has that the run starts from; None if nobody can tell here."""
    try:
        if model := job.config.srl.model:
            return None if models.is_reference(model) else check_artefact(Path(model)).parameters
        if store is None:
            return None
        live = models.live(store, job.config.tier)
        return int(models.show(store, job.config.tier, live)["artefact"]["parameters"])
    except GoldsmithError:
        return None


def _say_asks(asks: list[Ask]) -> None:
    rows = [
        [
            ask.stage,
            f"{ask.pool} {ask.instance_type}".strip(),
            ask.on_demand,
            ask.spot,
            ask.reserved,
            ", ".join(f"{many} {kind}" for kind, many in ask.each.items()),
            "unknown" if ask.model_gib is None else f">= {ask.model_gib:g}",
            "unknown" if ask.hours is None else f"{ask.hours:g}",
            f"{ask.hours_at_most:g}",
            "unknown" if ask.usd is None else f"{ask.usd:.2f}",
            f"{ask.usd_at_most:.2f}",
        ]
        for ask in asks
    ]
    columns = ("stage", "pool", "on-demand", "spot", "reserved", "each pod", "model GiB", "hours")
    say(table((*columns, "at most", "USD", "at most"), rows))
