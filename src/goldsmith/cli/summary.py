"""What a finished run tells a person at its end: arms, verdict, model, report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goldsmith.cli.options import seconds, table
from goldsmith.errors import StoreError
from goldsmith.store.directories import read_manifest
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import unseal
from goldsmith.store.object_store import ObjectStore

ARMS = ("gold", "retrieved", "none", "wrong")
_OUTCOMES = {
    "promote": "promoted: {version} is live on tier {tier}",
    "hold": "held: {live} stays live on tier {tier}; the candidate is kept as {version}",
    "reject": "rejected: {live} stays live on tier {tier}",
}


def summary_lines(store: ObjectStore, manifest: Mapping[str, Any], *, report: str) -> list[Any]:
    """Text and tables of a finished run."""
    gate = _gate(store, manifest)
    lines: list[Any] = ["", *_lore(store, manifest), *_suites(gate)]
    lines += [f"Verdict  {outcome(manifest)}"]
    lines += [f"         {reason}" for reason in gate.get("reasons", [])]
    peak = f"peak memory {manifest['peak_memory_mb'] / 1024:.1f} GB"
    return [
        *lines,
        f"Model    {manifest['version'] or 'not registered'}",
        f"Time     {seconds(manifest['seconds'])} over {_attempts(manifest)}, {peak}",
        f"Report   {report}",
    ]


def outcome(manifest: Mapping[str, Any]) -> str:
    """The verdict as a sentence: what is live now, and what became of the candidate."""
    form = _OUTCOMES.get(manifest["verdict"], "none")
    if manifest["verdict"] == "hold" and not manifest["version"]:
        form = "held: {live} stays live on tier {tier}; the candidate is not kept"
    if manifest["verdict"] == "promote" and manifest["live"] != manifest["version"]:
        form = "to promote, but {live} stays live on tier {tier}; {version} is registered"
    return form.format_map(manifest)


def _attempts(manifest: Mapping[str, Any]) -> str:
    count = manifest["attempts"]
    return "1 attempt" if count == 1 else f"{count} attempts"


def _gate(store: ObjectStore, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """gate.json; empty if it cannot be read, since a summary must not fail a run."""
    key = run_key(manifest["run_id"], "gate.json")
    try:
        return unseal(store.get(key), key=key)
    except StoreError:
        return {}


def _suites(gate: Mapping[str, Any]) -> list[Any]:
    rows = [
        [
            suite["name"],
            suite["role"],
            suite["games"],
            f"{suite['live']:.1%}",
            f"{suite['candidate']:.1%}",
            f"{100 * suite['low']:+.1f} to {100 * suite['high']:+.1f}",
            suite["word"],
        ]
        for suite in gate.get("suites", [])
    ]
    columns = ("suite", "role", "games", "live", "candidate", "points (interval)", "says")
    return [table(columns, rows), ""] if rows else []


def _lore(store: ObjectStore, manifest: Mapping[str, Any]) -> list[Any]:
    """How often B's plans were accepted with each kind of lore; empty if it was not measured."""
    outputs = manifest["steps"].get("collaborate", {}).get("outputs", {})
    try:
        arms = read_manifest(store, outputs["dataset"])["report"]["arms"]
        rows = [
            [name, arm["tasks"], f"{arm['first']:.0%}", f"{arm['within']:.0%}"]
            for name, arm in sorted(arms.items(), key=lambda item: ARMS.index(item[0]))
        ]
    except (StoreError, KeyError, TypeError, ValueError):
        return []
    columns = ("lore", "tasks", "accepted at attempt 1", "within all attempts")
    return [table(columns, rows), ""] if rows else []
