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
from goldsmith.collaboration.attempts import Bounds, attempt_task
from goldsmith.collaboration.guard import Guard
from goldsmith.collaboration.lore_arms import acceptance, describe, measure_arms, recall
from goldsmith.collaboration.lore_retriever import LoreRetriever
from goldsmith.collaboration.teacher_planner import Teacher, open_teacher
from goldsmith.config.run import CollaborateConfig, RunContext
from goldsmith.data.trajectories import Trajectory, write_jsonl
from goldsmith.errors import DataError
from goldsmith.observability.progress import Progress
from goldsmith.store.directories import commit_directory, describe_directory
from goldsmith.store.manifest import digest_of
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.store.steps import once
from goldsmith.tasks.domain import Domain, Passage, Task
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
    teacher = open_teacher(domain, config)
    bounds = Bounds(config.max_attempts, config.max_turns, config.task_timeout_s)
    lore: Sequence[Passage] = _guard(domain, "its lore", config).call(domain.lore)
    attempts = _attempts(
        domain,
        _tasks(domain, config, run.seed),
        retriever=LoreRetriever(lore, config.passages),
        teacher=teacher,
        bounds=bounds,
    )
    report = _report(domain, attempts, teacher=teacher, config=config, bounds=bounds)
    meta = {"lineage": _lineage(run, config), "counts": _counts(attempts), "report": report}
    return _commit(open_store(run.store), domain, attempts, lore=lore, meta=meta)


def _tasks(domain: Domain, config: CollaborateConfig, seed: int) -> list[Task]:
    """The training tasks of every level."""
    tasks: list[Task] = []
    for mix in config.tasks:
        log.info("Making tasks (%d %s)", mix.count, mix.level)
        guard = _guard(domain, f"{mix.count} tasks of level {mix.level}", config, mix.count)
        tasks += guard.call(domain.tasks, mix.level, "train", mix.count, seed=seed)
    return tasks


def _guard(domain: Domain, work: str, config: CollaborateConfig, count: int = 1) -> Guard:
    """At least a second for each of `count` things."""
    return Guard(domain.name, work, max(config.task_timeout_s, float(count)))


def _attempts(
    domain: Domain,
    tasks: Sequence[Task],
    *,
    retriever: LoreRetriever,
    teacher: Teacher,
    bounds: Bounds,
) -> list[list[Trajectory]]:
    progress = Progress("collaborate")
    attempts: list[list[Trajectory]] = []
    accepted = 0
    for done, task in enumerate(tasks, start=1):
        tries = attempt_task(domain, task, retriever=retriever, teacher=teacher, bounds=bounds)
        attempts.append(tries)
        accepted += tries[-1].accepted
        word = "accepted" if tries[-1].accepted else "rejected"
        text = f"{task.level} task {word} at attempt {len(tries)}"
        progress.update(done, len(tasks), text=text, metrics={"accepted": accepted / done})
    if not accepted:
        raise DataError(
            f"domain {domain.name}: none of {len(tasks)} tasks was solved",
            why=attempts[0][-1].outcome.reason,
            fix="check the teacher (collaborate.teacher) and the lore",
        )
    return attempts


def _report(
    domain: Domain,
    attempts: Sequence[Sequence[Trajectory]],
    *,
    teacher: Teacher,
    config: CollaborateConfig,
    bounds: Bounds,
) -> dict[str, Any]:
    """Acceptance, recall of A, the lore table, and the size of the transcripts."""
    report: dict[str, Any] = {
        "acceptance": acceptance(attempts),
        "recall": {"k": config.passages, **recall(domain, attempts)},
        "transcripts": describe(attempts),
    }
    if config.lore_arms:
        log.info("Measuring lore arms (%d tasks)", min(config.arm_tasks, len(attempts)))
        report["arms"] = measure_arms(
            domain,
            attempts,
            teacher=teacher,
            k=config.passages,
            count=config.arm_tasks,
            bounds=bounds,
        )
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
