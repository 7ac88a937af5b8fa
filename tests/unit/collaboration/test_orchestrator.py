"""The step `collaborate`: one data set, complete, deterministic, written once."""

import json

import pytest

from goldsmith.collaboration.orchestrator import collaborate
from goldsmith.config.run import CollaborateConfig, LevelMix, RunContext
from goldsmith.data.trajectories import read_jsonl
from goldsmith.errors import ConfigError, DataError, DomainError
from goldsmith.observability.progress import read_lines
from goldsmith.store.directories import fetch_directory
from goldsmith.store.object_store import open_store

CONFIG = CollaborateConfig(
    tasks=(LevelMix(level="easy", count=3), LevelMix(level="hard", count=5)), arm_tasks=4
)


def context(folder, **fields):
    return RunContext(
        **{"run_id": "r1", "domain": "cooking", "tier": "gold", "seed": 0, "store": str(folder)}
        | fields
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(store, reference, fetched folder, manifest) of one run."""
    store, folder = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("dataset")
    reference = collaborate(context(store), CONFIG)
    return store, reference, folder, fetch_directory(open_store(str(store)), reference, folder)


def test_the_data_set_holds_accepted_trajectories_every_attempt_and_the_lore(written):
    _, reference, folder, manifest = written
    accepted = list(read_jsonl(folder / "trajectories.jsonl"))
    attempts = list(read_jsonl(folder / "attempts.jsonl"))
    assert reference.startswith("datasets/cooking/")
    assert len(accepted) == manifest["counts"]["accepted"] == 8
    assert all(one.accepted and one.outcome.proof for one in accepted)
    assert [one for one in attempts if one.accepted] == accepted
    assert len(attempts) == manifest["counts"]["attempts"]
    assert len((folder / "lore.jsonl").read_text().splitlines()) > 700


def test_the_student_sees_at_most_k_passages_in_no_telling_order(written):
    _, _, folder, _ = written
    needed_first = 0
    for one in read_jsonl(folder / "trajectories.jsonl"):
        assert len(one.transcript.passages) <= CONFIG.passages
        cited = {name for turn in one.transcript.turns for name in turn.step.citations}
        needed_first += one.transcript.passages[0][0] in cited
    assert needed_first < 8


def test_the_lore_table_shows_that_the_roles_matter(written):
    *_, manifest = written
    report = manifest["report"]
    assert list(report["arms"]) == ["gold", "none", "retrieved", "wrong"]
    assert report["arms"]["gold"] == {"tasks": 4, "first": 1.0, "within": 1.0}
    assert report["arms"]["none"]["within"] == report["arms"]["wrong"]["within"] == 0.0
    assert report["arms"]["retrieved"]["within"] > 0.7
    assert 0.7 < report["recall"]["first"] <= report["recall"]["final"] <= 1.0


def test_equal_runs_give_one_data_set(written, tmp_path):
    store, reference, _, _ = written
    assert collaborate(context(store), CONFIG) == reference
    assert collaborate(context(tmp_path, run_id="r2"), CONFIG) == reference
    assert collaborate(context(store, run_id="r3"), CONFIG) == reference


def test_a_finished_step_is_not_done_again(written, monkeypatch):
    store, reference, _, _ = written
    monkeypatch.setattr("goldsmith.collaboration.orchestrator.attempt_tasks", None)
    assert collaborate(context(store), CONFIG) == reference


def test_progress_is_told_task_by_task(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLDSMITH_PROGRESS", str(tmp_path / "progress.jsonl"))
    config = CONFIG.model_copy(
        update={"tasks": (LevelMix(level="easy", count=2),), "lore_arms": False}
    )
    collaborate(context(tmp_path / "store"), config)
    lines = read_lines(tmp_path / "progress.jsonl")
    assert [(line["done"], line["total"]) for line in lines] == [(0, 2), (1, 2), (2, 2)]
    assert lines[1]["text"] == "easy task accepted at attempt 1"


@pytest.mark.parametrize(
    ("fields", "section", "error", "match"),
    [
        pytest.param({"domain": "coking"}, {}, ConfigError, "did you mean", id="unknown-domain"),
        pytest.param({}, {"teacher": "openai"}, ConfigError, "teacher_url", id="no-endpoint"),
        pytest.param(
            {},
            {"tasks": (LevelMix(level="huge", count=1),)},
            ConfigError,
            "use one of",
            id="unknown-level",
        ),
        pytest.param({}, {"task_timeout_s": 1e-6}, DomainError, "hangs", id="no-time"),
        pytest.param({}, {"max_turns": 1}, DataError, "none of 8 tasks", id="nothing-accepted"),
    ],
)
def test_what_cannot_work_is_one_clear_error(tmp_path, fields, section, error, match):
    with pytest.raises(error, match=match):
        collaborate(context(tmp_path, **fields), CONFIG.model_copy(update=section))


def test_lore_lines_are_passages(written):
    _, _, folder, _ = written
    first = json.loads((folder / "lore.jsonl").read_text().splitlines()[0])
    assert set(first) == {"passage_id", "title", "text", "kind"}
