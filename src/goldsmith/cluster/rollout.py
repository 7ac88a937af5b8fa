"""Turns a moved alias into a change of the tier's InferenceService, one tier at a time.

`roll_out` and `goldsmith rollback` only move `aliases/<tier>.json`. This controller, which has an
account of its own, writes the live version into the annotation that every pod of the tier takes its
version from (server-side apply, so that nothing else of the object is touched), and looks at the
Deployment until all its pods serve that version. Meanwhile no other tier is touched. A version that
does not get ready stays where it is, beside the pods of the old one, until the alias moves again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from goldsmith.cluster.client import Client, Object
from goldsmith.errors import GoldsmithError, NotFoundError
from goldsmith.registry import aliases
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

VERSION = "goldsmith.dev/version"
"""Annotation of the predictor: what its pods serve."""
POLL_S = 5.0

Phase = Literal["absent", "rolling", "stuck", "serving"]
"""Of a tier's pods: there is no InferenceService; not all serve the version that it names; they do
not get there; all do."""


@dataclass(frozen=True)
class TierState:
    """What a tier should serve and what it does."""

    tier: str
    live: str
    """Version that the alias points to; empty: none."""
    told: str = ""
    """Version that the InferenceService names; empty: none yet."""
    phase: Phase = "absent"
    why: str = ""
    """In the cluster's words, where it is stuck."""

    @property
    def is_due(self) -> bool:
        """Whether the InferenceService has to name another version."""
        return self.phase != "absent" and bool(self.live) and self.live != self.told

    def to_json(self) -> dict[str, str]:
        """As `--json` answers."""
        return asdict(self)


def service_name(tier: str) -> str:
    """The InferenceService of a tier; the chart makes it."""
    return f"goldsmith-{tier}"


def next_change(states: Sequence[TierState]) -> TierState | None:
    """The tier whose version is to be changed now; None: there is nothing to do, or to wait for.

    A tier that rolls holds the others back, but not itself: whoever moves its alias again, as a
    rollback does, need not wait for a version that may never get ready. Nor does a tier that has no
    version yet wait, since it serves nothing that could be lost.
    """
    rolling = {state.tier for state in states if state.phase == "rolling" and state.told}
    for state in states:
        if state.is_due and (not state.told or not rolling - {state.tier}):
            return state
    return None


class Rollout:
    """The controller over some tiers of one namespace."""

    def __init__(self, client: Client, store: ObjectStore, tiers: Iterable[str]) -> None:
        self._client, self._store, self._tiers = client, store, tuple(tiers)
        self._said: dict[str, TierState] = {}

    def look(self) -> list[TierState]:
        """Every tier as it is now; what changed is logged."""
        states = [self._look_at(tier) for tier in self._tiers]
        for state in states:
            if self._said.get(state.tier) != state:
                _say(state)
                self._said[state.tier] = state
        return states

    def step(self) -> TierState | None:
        """Look, and change the version of at most one tier: the one that was changed."""
        change = next_change(self.look())
        if change:
            log.info("Tier %s: %s instead of %s", change.tier, change.live, change.told or "none")
            self._client.apply(version_patch(change.tier, change.live, self._client.namespace))
        return change

    def run(
        self,
        *,
        poll_s: float = POLL_S,
        heartbeat: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Go on for ever; what fails is logged and tried again.

        `heartbeat` is a file that is touched at each look, for a probe.
        """
        log.info("Rolling out %s in %s", ", ".join(self._tiers), self._client.namespace)
        while True:
            try:
                self.step()
            except GoldsmithError as error:
                log.error("%s", error)
            if heartbeat:
                heartbeat.touch()
            sleep(poll_s)

    def _look_at(self, tier: str) -> TierState:
        live = _live(self._store, tier)
        service = self._client.get("InferenceService", service_name(tier))
        if service is None:
            return TierState(tier, live)
        notes = service["spec"].get("predictor", {}).get("annotations") or {}
        told = str(notes.get(VERSION, ""))
        deployment = self._client.get("Deployment", f"{service_name(tier)}-predictor")
        phase, why = phase_of(deployment, told)
        return TierState(tier, live, told, phase, why)


def version_patch(tier: str, version: str, namespace: str) -> Object:
    """What is applied to a tier's InferenceService: the version, and nothing else."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": service_name(tier), "namespace": namespace},
        "spec": {"predictor": {"annotations": {VERSION: version}}},
    }


def phase_of(deployment: Object | None, version: str) -> tuple[Phase, str]:
    """How far the pods of a tier's Deployment are with a version, and what keeps them."""
    if deployment is None:
        return "rolling", ""
    spec, status = deployment["spec"], deployment.get("status", {})
    notes = spec["template"]["metadata"].get("annotations") or {}
    wanted = int(spec.get("replicas", 1))
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts = [int(status.get(name) or 0) for name in ("updatedReplicas", "availableReplicas")]
    if notes.get(VERSION, "") != version or not seen:
        return "rolling", ""
    if [*counts, int(status.get("replicas") or 0)] == [wanted] * 3:
        return "serving", ""
    for condition in status.get("conditions") or []:
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return "stuck", str(condition.get("message", "")) or "it makes no progress"
    return "rolling", ""


def _live(store: ObjectStore, tier: str) -> str:
    try:
        return aliases.live(store, tier)
    except NotFoundError:
        return ""


def _say(state: TierState) -> None:
    tier, told = state.tier, state.told or "no version"
    if not state.live:
        log.warning("Tier %s has no live version: `goldsmith run` registers the bases", tier)
    elif state.phase == "absent":
        log.warning("Tier %s: there is no InferenceService %s", tier, service_name(tier))
    elif state.phase == "stuck":
        log.error(
            "Tier %s: %s does not get ready: %s; look at its pods, or: goldsmith rollback %s",
            *(tier, told, state.why, tier),
        )
    elif state.phase == "serving" and not state.is_due:
        log.info("Tier %s serves %s", tier, told)
