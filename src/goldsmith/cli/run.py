"""`goldsmith run`: one training run, here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from goldsmith.cli.display import Display
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
    StoreOption,
    TierOption,
    answer,
    say,
    settings,
    store_at,
)
from goldsmith.cli.summary import summary_lines
from goldsmith.config.load import DEFAULT_PROFILE, load_config
from goldsmith.config.run import RunConfig
from goldsmith.errors import ConfigError
from goldsmith.pipeline.damage import forget_damaged_data
from goldsmith.pipeline.execute import PROGRESS_DEADLINE_S, execute
from goldsmith.pipeline.manifest import earlier_seconds
from goldsmith.pipeline.plan import planned_keys
from goldsmith.pipeline.runs import (
    STEPS,
    Run,
    load_run,
    new_run,
    resolve_store,
    resume_command,
    save_run,
)
from goldsmith.registry import models
from goldsmith.registry.bases import ensure_bases
from goldsmith.registry.intake import check_artefact
from goldsmith.store.object_store import ObjectStore
from goldsmith.tasks.levels import check_levels


def run(
    overrides: OverridesArgument = None,
    profile: ProfileOption = None,
    config: ConfigOption = None,
    tier: TierOption = None,
    domain: DomainOption = None,
    seed: SeedOption = None,
    store: StoreOption = None,
    run_id: RunIdOption = "",
    resume: Annotated[
        str, typer.Option(metavar="RUN", help="Go on with a run that was cut short.")
    ] = "",
    progress_deadline: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1.0, help="End a run that tells no progress for so long."
        ),
    ] = PROGRESS_DEADLINE_S,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train one tier, from lore and expert play to a promoted model."""
    flags = settings(overrides, tier=tier, domain=domain, seed=seed)
    if profile and config:
        raise ConfigError("--profile and --config are two answers to one question", fix="give one")
    if resume:
        if flags or profile or config or run_id:
            raise ConfigError(
                f"run {resume} keeps its saved configuration", fix="give --resume and --store only"
            )
        job = load_run(store_at(store), resume)
    else:
        job = new_job(flags, profile=profile, config=config, store=store, run_id=run_id)
    if dry_run:
        _plan(job, as_json=as_json)
        return
    _execute(job, new=not resume, progress_deadline_s=progress_deadline, as_json=as_json)


def new_job(
    flags: list[str], *, profile: str | None, config: Path | None, store: str | None, run_id: str
) -> Run:
    """A run from a profile or file and flags; ConfigError or ArtefactError on a mistake."""
    resolved = load_config(profile or DEFAULT_PROFILE, file=config, overrides=flags)
    name = config.stem if config else profile or DEFAULT_PROFILE
    check_levels(resolved)
    resolved = with_checked_model(resolved)
    return new_run(resolved, store_url=resolve_store(store), profile=name, run_id=run_id)


def with_checked_model(config: RunConfig) -> RunConfig:
    """`config` with an absolute path to its model; ArtefactError for one that may not enter."""
    section = config.srl
    if not section.model or models.is_reference(section.model):
        return config
    path = Path(section.model).expanduser().absolute()
    check_artefact(path)
    return config.model_copy(update={"srl": section.model_copy(update={"model": str(path)})})


def _execute(job: Run, *, new: bool, progress_deadline_s: float, as_json: bool) -> None:
    store = store_at(job.context.store)
    ensure_bases(store)
    _check_live(store, job.context.tier)
    if new:
        save_run(store, job)
    else:
        forget_damaged_data(store, job.run_id)
    title = f"Run {job.run_id} ({job.context.tier}, {job.context.profile})"
    expected = earlier_seconds(store, job)
    try:
        with Display(STEPS, title=title, expected_s=expected, quiet=as_json) as display:
            manifest = execute(
                store, job, listener=display, progress_deadline_s=progress_deadline_s
            )
    except KeyboardInterrupt:
        text = f"run {job.run_id} interrupted; go on with: {resume_command(job)}"
        raise Interrupted(text) from None
    from goldsmith.pipeline.report import write_report  # imports numpy

    report = write_report(store, job.run_id)
    if as_json:
        answer({**manifest, "report": report})
    else:
        say(*summary_lines(store, manifest, report=report))


def _check_live(store: ObjectStore, tier: str) -> None:
    """Find out before hours of work, not after, that what is live cannot be trusted."""
    models.show(store, tier, models.live(store, tier))


def _plan(job: Run, *, as_json: bool) -> None:
    """Say what a run would be and create; StoreError if its store cannot be read."""
    keys = planned_keys(store_at(job.context.store), job)
    document = {
        "run": job.context.model_dump(mode="json"),
        "config": job.config.model_dump(mode="json"),
        "threads": job.threads,
        "objects": keys,
    }
    if as_json:
        answer(document)
        return
    text = yaml.safe_dump(document["config"], sort_keys=False).rstrip()
    where = [f"  {job.context.store}/{key}" for key in keys]
    say(f"Run {job.run_id}", "", text, "", "It would create, or move:", *where)
