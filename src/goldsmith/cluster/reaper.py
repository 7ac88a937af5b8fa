"""Deletes jobs that nobody waits for any more: their run is over or gone, or their time is up.

The ownerReference and the launcher do that in most cases; this is for those in which both are gone,
such as a step pod that was killed without a word. It runs as a CronJob of the chart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from goldsmith.cluster.client import Client, Object
from goldsmith.cluster.pods import PART_OF, RUN_ID
from goldsmith.cluster.supervisor import DEADLINE
from goldsmith.cluster.watch import state

KINDS = ("PyTorchJob", "Job")
MARGIN = timedelta(minutes=5)
"""The launcher enforces a deadline itself, and tells the run; this is for after it."""
_OVER = {"Succeeded", "Failed", "Error"}
"""Phases of a Workflow that has ended."""


@dataclass(frozen=True)
class Orphan:
    """A job to delete."""

    kind: str
    name: str
    run_id: str
    why: str

    def to_json(self) -> dict[str, str]:
        """As `--json` answers."""
        return asdict(self)


def orphans(client: Client, *, now: datetime) -> Iterator[Orphan]:
    """The jobs of runs that still go on although nobody waits for them."""
    for kind in KINDS:
        for job in client.list(kind, labels=f"{PART_OF},{RUN_ID}"):
            going = state(job) not in ("Succeeded", "Failed")
            going = going and not job["metadata"].get("deletionTimestamp")
            if going and (why := _reason(client, job, now=now)):
                name, run_id = job["metadata"]["name"], job["metadata"]["labels"][RUN_ID]
                yield Orphan(kind, name, run_id, why)


def reap(client: Client, *, now: datetime | None = None) -> list[Orphan]:
    """Delete them; what was deleted."""
    found = list(orphans(client, now=now or datetime.now(UTC)))
    for orphan in found:
        client.delete(orphan.kind, orphan.name)
    return found


def _reason(client: Client, job: Object, *, now: datetime) -> str:
    """Why nobody waits for a job; empty if somebody does."""
    deadline = job["metadata"].get("annotations", {}).get(DEADLINE)
    if deadline and now > datetime.fromisoformat(deadline) + MARGIN:
        return f"its deadline was {deadline}"
    for owner in job["metadata"].get("ownerReferences", []):
        if owner["kind"] != "Workflow":
            continue
        workflow = client.get("Workflow", owner["name"])
        if not workflow or workflow["metadata"]["uid"] != owner["uid"]:
            return f"its workflow {owner['name']} is gone"
        if (phase := workflow.get("status", {}).get("phase")) in _OVER:
            return f"its workflow {owner['name']} is {phase}"
    return ""
