"""The step `collaborate`: A, B and C write a data set of expert trajectories.

`datasets/<domain>/<digest>/`: accepted trajectories, every attempt, the lore, and a manifest with
lineage, counts and the lore table. Equal configuration and seed give equal bytes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goldsmith import __version__
from goldsmith.collaboration.attempts import Bounds, Roles, attempt_tasks
from goldsmith.collaboration.lore_arms import ARMS, acceptance, describe, measure_arms, recall
from goldsmith.collaboration.lore_retriever import LoreRetriever
from goldsmith.collaboration.tally import Tally
from goldsmith.collaboration.teacher_planner import open_teacher
from goldsmith.collaboration.verifier import Verifier
from goldsmith.config.run import CollaborateConfig, RunContext
from goldsmith.data.trajectories import Trajectory, write_jsonl
from goldsmith.errors import DataError
from goldsmith.store.directories import commit_directory, describe_directory
from goldsmith.store.manifest import digest_of
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once
from goldsmith.tasks.domain import Domain, Passage, Task
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.registry import find_domain

log = logging.getLogger(__name__)


def collaborate(run: RunContext, config: CollaborateConfig) -> str:
    """The data set of this run, `datasets/<domain>/<digest>`; written now or found again."""
    inputs = {"config": config.model_dump(mode="json"), "domain": run.domain, "seed": run.seed}
    outputs = once(run, "collaborate", inputs, lambda: {"dataset": _write(run, config)})
    return str(outputs["dataset"])


def _write(run: RunContext, config: CollaborateConfig) -> str:
    log.info("Loading domain (%s)", run.domain)
    domain = find_domain(run.domain)
    lore: Sequence[Passage] = _guard(domain, "its lore", config).call(domain.lore)
    with Verifier(timeout_s=config.task_timeout_s) as verifier:
        roles = Roles(
            domain,
            LoreRetriever(lore, config.passages),
            open_teacher(domain, config),
            verifier,
            Bounds(config.max_attempts, config.max_turns, config.task_timeout_s),
            Tally(_total(config)),
        )
        tasks = _tasks(roles, config, run.seed)
        attempts = attempt_tasks(roles, tasks)
        _check_accepted(domain, attempts)
        report = _report(roles, attempts, config)
    meta = {"lineage": _lineage(run, config), "counts": _counts(attempts), "report": report}
    return _commit(open_store(run.store), domain, attempts, lore=lore, meta=meta)


def _total(config: CollaborateConfig) -> int:
    """How many tasks are played, those of the lore arms too."""
    count = sum(mix.count for mix in config.tasks)
    return count + len(ARMS) * min(config.arm_tasks, count) * config.lore_arms


def _tasks(roles: Roles, config: CollaborateConfig, seed: int) -> list[Task]:
    """The training tasks of every level."""
    tasks: list[Task] = []
    for mix in config.tasks:
        roles.verifier.prepare(roles.domain.name, mix.level, mix.count, seed=seed)
    for mix in config.tasks:
        work = f"{mix.count} tasks of level {mix.level}"
        roles.tally.say(f"making {work}")
        guard = _guard(roles.domain, work, config, mix.count)
        tasks += guard.call(roles.domain.tasks, mix.level, "train", mix.count, seed=seed)
    return tasks


def _guard(domain: Domain, work: str, config: CollaborateConfig, count: int = 1) -> Guard:
    """At least a second for each of `count` things."""
    return Guard(domain.name, work, max(config.task_timeout_s, float(count)))


def _check_accepted(domain: Domain, attempts: Sequence[Sequence[Trajectory]]) -> None:
    """DataError if no task at all was solved."""
    if not any(tries[-1].accepted for tries in attempts):
        raise DataError(
            f"domain {domain.name}: none of {len(attempts)} tasks was solved",
            why=attempts[0][-1].outcome.reason,
            fix="check the teacher (collaborate.teacher) and the lore",
        )


def _report(
    roles: Roles, attempts: Sequence[Sequence[Trajectory]], config: CollaborateConfig
) -> dict[str, Any]:
    """Acceptance, recall of A, the lore table, and the size of the transcripts."""
    report: dict[str, Any] = {
        "acceptance": acceptance(attempts),
        "recall": {"k": config.passages, **recall(roles.domain, attempts)},
        "transcripts": describe(attempts),
    }
    if config.lore_arms:
        log.info("Measuring lore arms (%d tasks)", min(config.arm_tasks, len(attempts)))
        report["arms"] = measure_arms(roles, attempts, k=config.passages, count=config.arm_tasks)
    return report


def _counts(attempts: Sequence[Sequence[Trajectory]]) -> dict[str, int]:
    accepted = [tries[-1] for tries in attempts if tries[-1].accepted]
    return {
        "tasks": len(attempts),
        "accepted": len(accepted),
        "attempts": sum(len(tries) for tries in attempts),
        "steps": sum(len(trajectory.transcript.turns) for trajectory in accepted),
    }


def _lineage(run: RunContext, config: CollaborateConfig) -> dict[str, Any]:
    """What the data was made from; no run id, since equal runs share one data set."""
    return {
        "domain": run.domain,
        "seed": run.seed,
        "code": __version__,
        "config": config.model_dump(mode="json"),
    }


def _commit(
    store: ObjectStore,
    domain: Domain,
    attempts: Sequence[Sequence[Trajectory]],
    *,
    lore: Sequence[Passage],
    meta: Mapping[str, Any],
) -> str:
    with tempfile.TemporaryDirectory(prefix="goldsmith-") as name:
        directory = Path(name)
        tries = [trajectory for task in attempts for trajectory in task]
        write_jsonl(directory / "trajectories.jsonl", (t for t in tries if t.accepted))
        write_jsonl(directory / "attempts.jsonl", tries)
        lines = (json.dumps(dataclasses.asdict(p), sort_keys=True) for p in lore)
        (directory / "lore.jsonl").write_text("".join(f"{line}\n" for line in lines))
        digest = digest_of({"files": describe_directory(directory), "meta": meta})
        prefix = f"datasets/{domain.name}/{digest}"
        commit_directory(store, prefix, directory, kind="dataset", meta=meta)
    return prefix
