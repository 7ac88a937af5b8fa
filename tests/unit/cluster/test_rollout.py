"""A moved alias becomes the version of an InferenceService, one tier at a time."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.cli.rollout import operate_rollout
from goldsmith.cluster.client import connect
from goldsmith.cluster.rollout import (
    VERSION,
    Rollout,
    TierState,
    next_change,
    phase_of,
    service_name,
    version_patch,
)
from goldsmith.registry import aliases
from goldsmith.registry.aliases import Alias, read_alias
from goldsmith.store.object_store import ObjectStore, open_store
from tests.fixtures.kubernetes import FakeKubernetes

TIERS = ("gold", "silver", "bronze")
CONFIG = """
tiers:
  gold: {endpoints: [http://gold:8080], slo_ttft_ms: 200}
  silver: {endpoints: [http://silver:8080], slo_ttft_ms: 500}
"""


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


@pytest.fixture(name="rollout")
def _rollout(kube: FakeKubernetes, store: ObjectStore) -> Rollout:
    return Rollout(connect(), store, TIERS)


def make_live(store: ObjectStore, tier: str, version: str) -> None:
    """Move a tier's alias, as `roll_out` does."""
    try:
        current, tag = read_alias(store, tier)
    except Exception:
        aliases.move(store, Alias(tier=tier, live=version), tag=None)
        return
    aliases.move(store, current.promoted(version, cause="test"), tag=tag)


def install(kube: FakeKubernetes, tier: str, version: str = "", *, replicas: int = 2) -> None:
    """A tier as the chart, KServe and an earlier rollout left it."""
    notes = {VERSION: version} if version else {}
    kube.add("InferenceService", service_name(tier), spec={"predictor": {"annotations": notes}})
    kube.add("Deployment", f"{service_name(tier)}-predictor", **deployment(version, replicas))


def deployment(version: str, replicas: int = 2, **status: Any) -> dict[str, Any]:
    """One whose pods all serve a version, unless `status` says something else."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    notes = {VERSION: version} if version else {}
    template = {"metadata": {"annotations": notes}}
    return {
        "spec": {"replicas": replicas, "template": template},
        "status": {**counts, "observedGeneration": 1, **status},
    }


def kserve_follows(kube: FakeKubernetes, *, ready: bool = True, **status: Any) -> None:
    """Every Deployment gets the version that its service names, as the KServe manager does it."""
    for (plural, name), service in list(kube.objects.items()):
        if plural != "inferenceservices":
            continue
        version = service["spec"]["predictor"]["annotations"].get(VERSION, "")
        found = kube.get("Deployment", f"{name}-predictor")
        assert found
        old = found["spec"]["template"]["metadata"]["annotations"].get(VERSION, "")
        if old != version or ready:
            found.update(deployment(version, **({} if ready else {"updatedReplicas": 1, **status})))


def named(kube: FakeKubernetes, tier: str) -> str:
    """The version that a tier's InferenceService names."""
    found = kube.get("InferenceService", service_name(tier))
    assert found
    return str(found["spec"]["predictor"]["annotations"].get(VERSION, ""))


def test_a_moved_alias_is_named_by_the_service_and_nothing_else_is_changed(
    kube: FakeKubernetes, store: ObjectStore, rollout: Rollout
) -> None:
    make_live(store, "gold", "v-2")
    install(kube, "gold", "v-1")
    changed = rollout.step()
    assert changed and (changed.tier, changed.told, changed.live) == ("gold", "v-1", "v-2")
    assert kube.applied == [version_patch("gold", "v-2", "kubeflow")]
    assert rollout.step() is None


def test_a_tier_that_serves_what_is_live_is_left_alone(
    kube: FakeKubernetes, store: ObjectStore, rollout: Rollout
) -> None:
    make_live(store, "gold", "v-1")
    install(kube, "gold", "v-1")
    assert rollout.step() is None
    assert kube.applied == []


def test_a_tier_waits_until_the_pods_of_another_serve_their_version(
    kube: FakeKubernetes, store: ObjectStore, rollout: Rollout
) -> None:
    for tier in ("gold", "silver"):
        make_live(store, tier, "v-2")
        install(kube, tier, "v-1")
    rollout.step()
    kserve_follows(kube, ready=False)
    assert rollout.step() is None
    assert (named(kube, "gold"), named(kube, "silver")) == ("v-2", "v-1")
    kserve_follows(kube)
    rollout.step()
    assert named(kube, "silver") == "v-2"


def test_a_tier_without_a_version_waits_for_nobody(
    kube: FakeKubernetes, store: ObjectStore, rollout: Rollout
) -> None:
    for tier in TIERS:
        make_live(store, tier, "base")
        install(kube, tier)
    for _ in TIERS:
        rollout.step()
    assert [named(kube, tier) for tier in TIERS] == ["base"] * 3


def test_a_rollback_does_not_wait_for_a_version_that_gets_nowhere(
    kube: FakeKubernetes, store: ObjectStore, rollout: Rollout
) -> None:
    make_live(store, "gold", "v-2")
    install(kube, "gold", "v-1")
    rollout.step()
    kserve_follows(kube, ready=False)
    make_live(store, "gold", "v-1")
    rollout.step()
    assert named(kube, "gold") == "v-1"


def test_a_stuck_tier_is_told_of_once_and_holds_nobody_back(
    kube: FakeKubernetes,
    store: ObjectStore,
    rollout: Rollout,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for tier in ("gold", "silver"):
        make_live(store, tier, "v-2")
        install(kube, tier, "v-1")
    rollout.step()
    exceeded = {"reason": "ProgressDeadlineExceeded", "message": "it has timed out"}
    kserve_follows(kube, ready=False, conditions=[exceeded])
    rollout.step()
    rollout.step()
    assert named(kube, "silver") == "v-2"
    (said,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert "gold: v-2 does not get ready: it has timed out" in said
    assert "goldsmith rollback gold" in said


@pytest.mark.parametrize(("live", "there"), [("", True), ("v-1", False)], ids=["alias", "service"])
def test_a_tier_without_alias_or_service_is_left_alone(
    kube: FakeKubernetes, store: ObjectStore, rollout: Rollout, live: str, there: bool
) -> None:
    if live:
        make_live(store, "gold", live)
    if there:
        install(kube, "gold")
    assert rollout.step() is None
    assert kube.applied == []


def test_the_controller_goes_on_when_the_api_refuses(
    kube: FakeKubernetes,
    store: ObjectStore,
    rollout: Rollout,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_live(store, "gold", "v-2")
    install(kube, "gold", "v-1")
    beat = tmp_path / "heartbeat"
    kube.refuse["PATCH", "inferenceservices"] = (500, "webhook is away")
    looks = 0

    def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        kube.refuse.clear()
        assert beat.exists()
        if looks == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rollout.run(sleep=pause, heartbeat=beat)
    assert "webhook is away" in caplog.text
    assert named(kube, "gold") == "v-2"


GOING = dict.fromkeys(("updatedReplicas", "availableReplicas"), 1)


@pytest.mark.parametrize(
    ("found", "phase"),
    [
        pytest.param(deployment("v-2"), "serving", id="all-pods-have-it"),
        pytest.param(deployment("v-1"), "rolling", id="not-told-yet"),
        pytest.param(deployment("v-2", updatedReplicas=1), "rolling", id="one-has-it"),
        pytest.param(deployment("v-2", availableReplicas=1), "rolling", id="one-is-ready"),
        pytest.param(deployment("v-2", replicas=3), "rolling", id="an-old-one-is-left"),
        pytest.param(deployment("v-2", observedGeneration=0), "rolling", id="not-seen-yet"),
        pytest.param(deployment("v-2", replicas=0), "serving", id="at-zero"),
        pytest.param(None, "rolling", id="not-made-yet"),
    ],
)
def test_a_tier_serves_a_version_when_all_its_pods_do(found: Any, phase: str) -> None:
    if found and found["status"].get("replicas") == 3:
        found["spec"]["replicas"] = 2
    made = found and {**found, "metadata": {"generation": 1}}
    assert phase_of(made, "v-2")[0] == phase


STATES = st.builds(
    TierState,
    tier=st.sampled_from(TIERS),
    live=st.sampled_from(["", "v-1", "v-2"]),
    told=st.sampled_from(["", "v-1", "v-2"]),
    phase=st.sampled_from(["absent", "rolling", "stuck", "serving"]),
)


@given(st.lists(STATES, unique_by=lambda state: state.tier))
def test_nothing_is_taken_from_a_tier_while_another_rolls(states: list[TierState]) -> None:
    change = next_change(states)
    rolling = [s.tier for s in states if s.phase == "rolling" and s.told]
    if change and change.told:
        assert set(rolling) <= {change.tier}
    if change:
        assert change.live and change.live != change.told and change.phase != "absent"
    elif not rolling:
        assert not any(s.is_due for s in states)


@given(st.lists(st.sampled_from(TIERS), max_size=8))
def test_every_tier_ends_at_its_live_version_and_never_two_at_once(moves: list[str]) -> None:
    """Aliases that move while others roll, over a simulated cluster."""
    live, told, ready = (dict.fromkeys(TIERS, "v-0") for _ in range(3))
    log: list[str] = []
    pending = list(moves)
    for number in range(40):
        if pending and number % 2 == 0:
            live[pending.pop(0)] = f"v-{number}"
        phases = {t: "serving" if ready[t] == told[t] else "rolling" for t in TIERS}
        states = [TierState(t, live[t], told[t], phases[t]) for t in TIERS]  # type: ignore[arg-type]
        if change := next_change(states):
            told[change.tier] = change.live
            log.append(change.tier)
        assert sum(ready[t] != told[t] for t in TIERS) <= 1
        if number % 3 == 0:  # a rollout takes three looks
            ready = dict(told)
    assert told == live
    assert all(a in TIERS and b in TIERS for a, b in pairwise(log))


def test_a_dry_run_says_what_would_be_named(
    kube: FakeKubernetes, store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serving.yaml").write_text(CONFIG)
    make_live(store, "gold", "v-2")
    install(kube, "gold", "v-1")
    url = str(tmp_path / "store")
    operate_rollout(tmp_path / "serving.yaml", store=url, dry_run=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["change"]["live"] == "v-2" and said["dry_run"] is True
    assert [tier["phase"] for tier in said["tiers"]] == ["serving", "absent"]
    assert kube.applied == []


def test_one_step_is_done_if_only_one_is_asked_for(
    kube: FakeKubernetes, store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serving.yaml").write_text(CONFIG)
    make_live(store, "gold", "v-2")
    install(kube, "gold", "v-1")
    operate_rollout(tmp_path / "serving.yaml", store=str(tmp_path / "store"), once=True)
    assert "gold: v-2 is named instead of v-1" in capsys.readouterr().out
    assert named(kube, "gold") == "v-2"
