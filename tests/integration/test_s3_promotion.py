"""`register` and `roll_out` as steps of a run, on both back ends."""

from pathlib import Path

import pytest

from goldsmith.config.run import RegisterConfig, RollOutConfig, RunContext
from goldsmith.errors import ArtefactError, ConflictError, RunError
from goldsmith.promotion.roll_out import read_promotion, roll_out
from goldsmith.registry import models
from goldsmith.registry.registration import register
from goldsmith.store.directories import commit_directory
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.steps import once, step_key
from tests.unit.registry.artefacts import write_model


@pytest.fixture
def base(store: ObjectStore, tmp_path: Path) -> str:
    """The tier's live version."""
    directory = write_model(tmp_path / "base")
    version = models.add(store, directory, tier="gold", version="base", lineage={})
    return models.promote(store, "gold", version, cause="bases").live


def test_a_promoted_candidate_goes_live_with_its_lineage(
    store: ObjectStore, tmp_path: Path, base: str
) -> None:
    run = _run(store, "r1")
    once(run, "train_srl", {"dataset": "datasets/toy/1"}, lambda: {"model": "checkpoints/r1/srl"})
    version = _registered(store, tmp_path, run, verdict="promote")
    assert _rolled_out(run, version, verdict="promote") == version == models.live(store, "gold")
    record = read_promotion(store, "r1-gold")
    assert (record["action"], record["version"], record["previous"]) == ("promote", version, [base])
    assert record["lineage"]["dataset"] == "datasets/toy/1"
    assert record["lineage"]["judged_against"] == base
    assert record["gate"]["reasons"] == ["better"]


@pytest.mark.parametrize(
    ("verdict", "keep_held", "registered"),
    [
        pytest.param("hold", True, True, id="held and kept"),
        pytest.param("hold", False, False, id="held and not kept"),
        pytest.param("reject", True, False, id="rejected"),
        pytest.param("nonsense", True, False, id="an unknown verdict"),
    ],
)
def test_only_promote_moves_the_alias(
    store: ObjectStore, tmp_path: Path, base: str, verdict: str, keep_held: bool, registered: bool
) -> None:
    run = _run(store, "r1")
    config = RegisterConfig(keep_held=keep_held)
    version = _registered(store, tmp_path, run, verdict=verdict, config=config)
    assert bool(version) == registered
    assert _rolled_out(run, version, verdict=verdict) == base == models.live(store, "gold")
    action = "reject" if verdict == "reject" else "hold"
    assert read_promotion(store, "r1-gold")["action"] == action


def test_roll_out_can_be_switched_off(store: ObjectStore, tmp_path: Path, base: str) -> None:
    run = _run(store, "r1")
    version = _registered(store, tmp_path, run, verdict="promote")
    config = RollOutConfig(enabled=False)
    assert roll_out(run, config, version=version, verdict="promote") == base
    assert read_promotion(store, "r1-gold")["action"] == "hold"


def test_both_steps_again_change_nothing(store: ObjectStore, tmp_path: Path, base: str) -> None:
    run = _run(store, "r1")
    version = _registered(store, tmp_path, run, verdict="promote")
    _rolled_out(run, version, verdict="promote")
    keys = {key: store.get(key) for key in store.list("")}
    assert _registered(store, tmp_path, run, verdict="promote") == version
    assert _rolled_out(run, version, verdict="promote") == version
    assert {key: store.get(key) for key in store.list("")} == keys


@pytest.mark.parametrize("step", ["register", "roll_out"])
def test_a_step_killed_before_its_record_ends_the_same(
    store: ObjectStore, tmp_path: Path, base: str, step: str
) -> None:
    run = _run(store, "r1")
    version = _registered(store, tmp_path, run, verdict="promote")
    _rolled_out(run, version, verdict="promote")
    records = (step_key("r1", step), "promotions/r1-gold.json", "aliases/gold.json")
    before = [store.get(key) for key in records[1:]]
    store.delete(records[0])
    assert _registered(store, tmp_path, run, verdict="promote") == version
    assert _rolled_out(run, version, verdict="promote") == version
    assert [store.get(key) for key in records[1:]] == before


def test_of_two_runs_against_one_live_version_the_second_is_told(
    store: ObjectStore, tmp_path: Path, base: str
) -> None:
    runs = [_run(store, "r1"), _run(store, "r2")]
    versions = [
        _registered(store, tmp_path, run, verdict="promote", seed=seed)
        for seed, run in enumerate(runs, start=1)
    ]
    _rolled_out(runs[0], versions[0], verdict="promote")
    with pytest.raises(ConflictError, match=f"r1-gold made {versions[0]} live first"):
        _rolled_out(runs[1], versions[1], verdict="promote")
    assert models.live(store, "gold") == versions[0]


def test_a_step_with_other_inputs_is_refused(store: ObjectStore, tmp_path: Path, base: str) -> None:
    run = _run(store, "r1")
    _registered(store, tmp_path, run, verdict="promote")
    with pytest.raises(RunError, match="step register of run r1 was done with another"):
        _registered(store, tmp_path, run, verdict="hold")


def test_a_hostile_candidate_is_not_registered(store: ObjectStore, tmp_path: Path) -> None:
    directory = write_model(tmp_path / "candidate")
    (directory / "model.bin").write_bytes(b"\x80\x04")
    commit_directory(store, "checkpoints/r1/rlvr", directory, kind="model", meta={})
    with pytest.raises(ArtefactError, match=r"model\.bin is refused"):
        register(
            _run(store, "r1"),
            RegisterConfig(),
            model="checkpoints/r1/rlvr",
            verdict="promote",
            scores="runs/r1/scores.json",
        )


def _run(store: ObjectStore, run_id: str) -> RunContext:
    return RunContext(run_id=run_id, domain="toy", tier="gold", seed=0, store=store.url)


def _registered(
    store: ObjectStore,
    tmp_path: Path,
    run: RunContext,
    *,
    verdict: str,
    seed: int = 1,
    config: RegisterConfig | None = None,
) -> str:
    """Register a candidate that was judged against version `base`."""
    at = f"runs/{run.run_id}"
    directory = write_model(tmp_path / f"candidate-{seed}", seed=seed)
    commit_directory(store, f"checkpoints/{run.run_id}/rlvr", directory, kind="model", meta={})
    store.create(f"{at}/scores.json", seal({"live_version": "base"}))
    store.create(f"{at}/gate.json", seal({"reasons": ["better"]}))
    return register(
        run,
        config or RegisterConfig(),
        model=f"checkpoints/{run.run_id}/rlvr",
        verdict=verdict,
        scores=f"{at}/scores.json",
    )


def _rolled_out(run: RunContext, version: str, *, verdict: str) -> str:
    return roll_out(run, RollOutConfig(), version=version, verdict=verdict)
