"""What the run took and made: time, memory and money per step; digests; the way back."""

from __future__ import annotations

from typing import Any

from goldsmith.errors import StoreError
from goldsmith.pipeline.report.source import Source
from goldsmith.pipeline.runs import STEPS, config_key
from goldsmith.store.directories import read_manifest

USD_PER_CORE_HOUR = 0.05
"""About the list price of one core of a general-purpose cloud machine."""


def steps(source: Source, *, usd_per_core_hour: float) -> dict[str, Any]:
    """Every step's seconds, share, peak memory and cost; None for those not reached."""
    threads = int(source.config.get("threads", 1))
    total = sum(record["seconds"] for record in source.steps.values())
    rows = []
    for name in STEPS:
        record = source.steps.get(name)
        rows.append(
            {
                "name": name,
                "done": record is not None,
                "seconds": record["seconds"] if record else None,
                "share": record["seconds"] / total if record and total else 0.0,
                "memory_mb": record.get("peak_memory_mb") if record else None,
                "usd": record["seconds"] * threads / 3600 * usd_per_core_hour if record else None,
            }
        )
    return {
        "rows": rows,
        "seconds": total,
        "memory_mb": max((row["memory_mb"] or 0 for row in rows), default=0),
        "usd": total * threads / 3600 * usd_per_core_hour,
        "threads": threads,
        "usd_per_core_hour": usd_per_core_hour,
        "finished": all(row["done"] for row in rows),
    }


def lineage(source: Source) -> list[dict[str, str]]:
    """Everything that the run read or made: its name in the store and its hash."""
    rows = [("configuration", config_key(source.run_id))]
    for step in STEPS:
        record = source.steps.get(step)
        if record:
            rows += [(f"{step}: {name}", str(value)) for name, value in record["outputs"].items()]
    return [
        {"what": what, "name": name, "digest": digest}
        for what, name in rows
        if (digest := _digest(source, name))
    ]


def rollback(source: Source) -> dict[str, str]:
    """What is live now and the command that goes back."""
    tier = source.config["context"]["tier"]
    version = str(source.steps.get("register", {}).get("outputs", {}).get("version", ""))
    live = str(source.steps.get("roll_out", {}).get("outputs", {}).get("live", ""))
    return {"tier": tier, "version": version, "live": live}


def _digest(source: Source, name: str) -> str:
    """The hash of a store key or of a committed directory; empty if it is neither."""
    if "/" not in name:
        return ""
    try:
        if name.endswith(".json"):
            return str(source.document(name)["sha256"])
        return str(read_manifest(source.store, name)["digest"])
    except (StoreError, KeyError):
        return ""
