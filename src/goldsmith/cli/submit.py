"""`goldsmith submit` and `terminate`: a training run on a cluster, followed from here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
import yaml

from goldsmith.cli.options import (
    ConfigOption,
    DomainOption,
    DryRunOption,
    Interrupted,
    JsonOption,
    OverridesArgument,
    ProfileOption,
    RunIdOption,
    SeedOption,
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
from goldsmith.cli.summary import summary_lines
from goldsmith.cluster.client import Client, Object
from goldsmith.cluster.pipelines import PipelineRun, Pipelines
from goldsmith.cluster.plan import plan, refuse
from goldsmith.cluster.pods import run_selector
from goldsmith.cluster.supervisor import wait_gone
from goldsmith.cluster.watch import PodLogs
from goldsmith.config.cluster import ClusterConfig
from goldsmith.errors import ClusterError, ConfigError, RunError
from goldsmith.pipeline.compiled import for_cluster
from goldsmith.pipeline.manifest import read_run_manifest
from goldsmith.pipeline.plan import planned_keys
from goldsmith.pipeline.runs import Run, load_run, save_run
from goldsmith.registry import models
from goldsmith.store.object_store import ObjectStore, open_store

POLL_S = 2.0
ENDED_S = 600.0
"""How long the steps of a terminated run may take to end."""
_EXECUTOR = "-system-container-impl-"
"""In the names of pods that run a step's code; the others are KFP's own."""


def submit(
    overrides: OverridesArgument = None,
    profile: ProfileOption = None,
    config: ConfigOption = None,
    tier: TierOption = None,
    domain: DomainOption = None,
    seed: SeedOption = None,
    run_id: RunIdOption = "",
    resume: Annotated[
        str, typer.Option(metavar="RUN", help="Follow a run, or go on with one that failed.")
    ] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Start it, and do not follow.")] = False,
    cluster: ClusterOption = None,
    namespace: NamespaceOption = "",
    kfp: KFPOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train one tier on a cluster, and follow it until it ends."""
    flags = settings(overrides, tier=tier, domain=domain, seed=seed)
    place = cluster_at(cluster, namespace=namespace)
    reach_store(place)
    if resume:
        if flags or profile or config or run_id:
            raise ConfigError(f"run {resume} keeps its saved configuration", fix="give no settings")
        job = load_run(open_store(place.store.url), resume)
    else:
        job = new_job(flags, profile=profile, config=config, store=place.store.url, run_id=run_id)
    _check(job, place)
    if dry_run:
        _say_plan(job, place, as_json=as_json)
        return
    text, store = for_cluster(place), open_store(place.store.url)
    pipelines = Pipelines(kfp or place.kfp_url)
    if not resume:
        save_run(store, job)
    run = _start(pipelines, job, text, account=place.service_accounts.pipeline)
    if detach:
        _say_started(run, as_json=as_json)
        return
    follow(pipelines, run, _client_or_none(place), quiet=as_json)
    _finish(store, job, pipelines.get(run), as_json=as_json)


def terminate(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Name of a run.")],
    cluster: ClusterOption = None,
    namespace: NamespaceOption = "",
    kfp: KFPOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Stop a run on a cluster, and delete its jobs; what it finished is kept."""
    place = cluster_at(cluster, namespace=namespace)
    client, pipelines = client_of(place), Pipelines(kfp or place.kfp_url)
    run, jobs = pipelines.find(run_id), _jobs(client, run_id)
    if run is None and not jobs:
        raise RunError(f"no run {run_id} in namespace {place.namespace}", fix="goldsmith status")
    going = run is not None and not run.is_over
    if run and going and not dry_run:
        pipelines.terminate(run)
        _wait_for_steps(client, run)
    if not dry_run:
        jobs = _delete_jobs(client, run_id)
    names = [job["metadata"]["name"] for job in jobs]
    if as_json:
        kfp_run = run.id if run and going else ""
        answer({"run_id": run_id, "kfp_run": kfp_run, "jobs": names, "dry_run": dry_run})
        return
    word = "would be" if dry_run else "is" if going else "was"
    say(f"Run {run_id} {word} {'terminated' if going else 'over'}")
    say(*(f"Deleted {name}" if not dry_run else f"Would delete {name}" for name in names))


def follow(
    pipelines: Pipelines,
    run: PipelineRun,
    client: Client | None,
    *,
    quiet: bool,
    poll_s: float = POLL_S,
) -> None:
    """Print states and the steps' logs until the run ends; Interrupted if a person goes away."""
    write: Callable[[str], None] = (lambda text: None) if quiet else say
    logs = PodLogs(client, "main", say=write) if client else None
    state = ""
    try:
        while not run.is_over:
            run = pipelines.get(run)
            if run.state != state:
                state = run.state
                write(f"Run {run.name}: {state.lower()}")
            if client and logs:
                logs.follow([pod for pod in step_pods(client, run) if _EXECUTOR in _name(pod)])
            if not run.is_over:
                time.sleep(poll_s)
    except KeyboardInterrupt:
        raise Interrupted(
            f"run {run.name} goes on; follow it: goldsmith submit --resume {run.name}; "
            f"stop it: goldsmith terminate {run.name}"
        ) from None


def step_pods(client: Client, run: PipelineRun) -> list[Object]:
    """The pods of a run's steps."""
    return client.list("Pod", labels=f"pipeline/runid={run.id}")


def _check(job: Run, place: ClusterConfig) -> None:
    """ConfigError before anything is written, if the cluster cannot do this."""
    model = job.config.srl.model
    if model and not models.is_reference(model):
        raise ConfigError(
            f"srl.model={model} is a folder of this machine, which no pod can read",
            fix="leave it out, or give a registered model: models/TIER/VERSION",
        )
    refuse(plan(job.config, place, parameters=None, seconds={}))


def _start(pipelines: Pipelines, job: Run, text: str, *, account: str) -> PipelineRun:
    """The run of that name if it goes on, else a new one."""
    found = pipelines.find(job.run_id)
    if found and not found.is_over:
        return found
    parameters = job.parameters()
    return pipelines.start(text, name=job.run_id, parameters=parameters, account=account)


def _finish(store: ObjectStore, job: Run, run: PipelineRun, *, as_json: bool) -> None:
    """Tell how it ended; RunError with the cause if it failed."""
    manifest = read_run_manifest(store, job.run_id) or {}
    if run.state != "SUCCEEDED":
        cause = manifest.get("cause") if manifest.get("status") == "failed" else ""
        why = cause or f"Kubeflow Pipelines says {run.state}"
        fix = f"go on with: goldsmith submit --resume {job.run_id}"
        raise RunError(f"run {job.run_id} failed", why=why, fix=fix)
    if as_json:
        answer({**manifest, "kfp_run": run.id})
    elif manifest:
        say(*summary_lines(store, manifest, report=f"{store.url}/{manifest['report']}"))


def _say_started(run: PipelineRun, *, as_json: bool) -> None:
    if as_json:
        answer({"run_id": run.name, "kfp_run": run.id, "state": run.state})
    else:
        say(f"Run {run.name} started; follow it: goldsmith submit --resume {run.name}")


def _say_plan(job: Run, place: ClusterConfig, *, as_json: bool) -> None:
    """Say what would be saved, started and asked for."""
    keys = planned_keys(open_store(place.store.url), job)
    asks = plan(job.config, place, parameters=None, seconds={})
    document: dict[str, Any] = {
        "run": job.context.model_dump(mode="json"),
        "config": job.config.model_dump(mode="json"),
        "objects": keys,
        "jobs": [ask.to_json() for ask in asks],
        "account": place.service_accounts.pipeline,
    }
    if as_json:
        answer(document)
        return
    text = yaml.safe_dump(document["config"], sort_keys=False).rstrip()
    rows = [[a.stage, a.pool, a.on_demand, a.spot, a.reserved, a.hours_at_most] for a in asks]
    columns = ("PyTorchJob", "pool", "on-demand", "spot", "reserved", "hours at most")
    where = [f"  {place.store.url}/{key}" for key in keys]
    say(f"Run {job.run_id}", "", text, "", table(columns, rows), "")
    say("It would create, or move:", *where)


def _client_or_none(place: ClusterConfig) -> Client | None:
    """The Kubernetes API, if this machine has a way to it: logs are nice to have."""
    with contextlib.suppress(ClusterError):
        return client_of(place)
    return None


def _jobs(client: Client, run_id: str) -> list[Object]:
    """The training and processing jobs of a run."""
    return [
        job
        for kind in ("PyTorchJob", "Job")
        for job in client.list(kind, labels=run_selector(run_id))
    ]


def _delete_jobs(client: Client, run_id: str, *, poll_s: float = 1.0) -> list[Object]:
    """Delete the jobs of a run and wait until they are gone; what was deleted."""
    jobs = _jobs(client, run_id)
    for job in jobs:
        client.delete(job["kind"], _name(job))
    for job in jobs:
        wait_gone(client, job["kind"], _name(job), poll_s=poll_s)
    return jobs


def _wait_for_steps(client: Client, run: PipelineRun, *, poll_s: float = 1.0) -> None:
    """Wait until no step runs, since one that does would start its job again."""
    end = time.monotonic() + ENDED_S
    while going := [_name(pod) for pod in step_pods(client, run) if _is_going(pod)]:
        if time.monotonic() > end:
            raise ClusterError(f"steps of run {run.name} do not end: {', '.join(going)}")
        time.sleep(poll_s)


def _is_going(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Pending", "Running")


def _name(thing: Object) -> str:
    name: str = thing["metadata"]["name"]
    return name
