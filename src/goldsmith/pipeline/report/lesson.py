"""What was taught: one trajectory with the three roles' work, one refusal, and the lore table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goldsmith.data.trajectories import Trajectory
from goldsmith.pipeline.report.source import Missing, Source

ARMS = ("gold", "retrieved", "none", "wrong")
"""Kinds of lore, in the order of the table."""


def lesson(source: Source) -> dict[str, Any]:
    """An accepted trajectory as A, B and C wrote it, and the refused attempt before it if any."""
    accepted = list(source.trajectories("trajectories.jsonl"))
    refused = [one for one in source.trajectories("attempts.jsonl") if not one.accepted]
    if not accepted:
        raise Missing("No trajectory of this run was accepted.")
    chosen = choose(accepted, refused)
    same_task = [one for one in refused if one.task.task_id == chosen.task.task_id]
    cited = {name for turn in chosen.transcript.turns for name in turn.step.citations}
    return {
        "task": chosen.task,
        "attempt": chosen.attempt,
        "passages": [
            {"number": number, "id": name, "text": text, "cited": name in cited}
            for number, (name, text) in enumerate(chosen.transcript.passages, start=1)
        ],
        "first_observation": chosen.transcript.first_observation,
        "steps": _steps(chosen),
        "proof": chosen.outcome.proof,
        "refused": _refused((same_task or refused)[0]) if refused else None,
        "same_task": bool(same_task),
    }


def choose(accepted: Sequence[Trajectory], refused: Sequence[Trajectory]) -> Trajectory:
    """The most telling example: a task that failed first, with citations, and not too long."""
    failed = {one.task.task_id for one in refused}

    def rank(one: Trajectory) -> tuple[bool, bool, int, str]:
        turns = one.transcript.turns
        cites = any(turn.step.citations for turn in turns)
        return one.task.task_id not in failed, not cites, abs(len(turns) - 6), one.trajectory_id

    return min(accepted, key=rank)


def lore(source: Source) -> dict[str, Any]:
    """How often B's plans were accepted with each kind of lore, and what A found."""
    report = source.dataset_manifest.get("report") or {}
    arms = report.get("arms") or {}
    ordered = sorted(arms, key=lambda name: (ARMS.index(name) if name in ARMS else 9, name))
    return {
        "arms": [{"name": name, **arms[name]} for name in ordered],
        "recall": report.get("recall") or {},
        "counts": source.dataset_manifest.get("counts") or {},
    }


def _steps(trajectory: Trajectory) -> list[dict[str, Any]]:
    numbers = {name: n for n, (name, _) in enumerate(trajectory.transcript.passages, start=1)}
    return [
        {
            "action": turn.step.action,
            "reasoning": turn.step.reasoning,
            "citations": [(numbers.get(name, "?"), name) for name in turn.step.citations],
            "observation": turn.observation,
            "state": state,
        }
        for turn, state in zip(trajectory.transcript.turns, _states(trajectory), strict=True)
    ]


def _states(trajectory: Trajectory) -> list[str]:
    """The state hash after each step; empty texts where the proof is short."""
    after = list(trajectory.outcome.proof[1:])
    missing = len(trajectory.transcript.turns) - len(after)
    return after + [""] * missing if missing >= 0 else after[:missing]


def _refused(trajectory: Trajectory) -> dict[str, Any]:
    failed = trajectory.outcome.failed_step
    actions = [turn.step.action for turn in trajectory.transcript.turns]
    return {
        "task": trajectory.task,
        "attempt": trajectory.attempt,
        "reason": trajectory.outcome.reason or "no reason was given",
        "actions": [(action, index == failed) for index, action in enumerate(actions)],
    }
