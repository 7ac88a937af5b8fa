"""Candidate and live model play the same games of a small domain from outside the package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goldsmith.config.run import EvaluateConfig, QualityGateConfig, RunContext, SuiteConfig
from goldsmith.errors import DomainError
from goldsmith.evaluation import gate
from goldsmith.evaluation.benchmarks import Bench, metrics
from goldsmith.evaluation.evaluate import evaluate
from goldsmith.evaluation.scores import Scores, SuiteScores
from goldsmith.evaluation.shares import play_shares
from goldsmith.registry import models
from goldsmith.store.directories import commit_directory
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import open_store
from goldsmith.tasks.registry import find_domain
from goldsmith.tasks.verification import VerifierPool
from tests.fixtures.data.plugin import TOY, install
from tests.unit.evaluation.counting_policy import CountingPolicy

CONFIG = EvaluateConfig(
    suites=(
        SuiteConfig(name="long", level="long", games=20, role="target"),
        SuiteConfig(name="short", level="short", games=10, role="regression", margin=0.5),
    ),
    samples=4,
)


Prepare = Callable[..., Bench]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prepare]:
    """Makes the bench of a plug-in domain, which its verifier's process finds by itself."""
    with VerifierPool() as pool:

        def prepare(source: str = TOY) -> Bench:
            install(tmp_path, monkeypatch, source=source)
            return Bench(find_domain("toy"), CONFIG, pool, seed=0)

        yield prepare


def play(one: Bench, *, candidate: float, live: float) -> tuple[SuiteScores, ...]:
    sides: Any = {"candidate": CountingPolicy(candidate), "live": CountingPolicy(live)}
    return one.play(sides)


def test_a_perfect_candidate_wins_every_game_and_a_weak_live_model_few(bench: Prepare) -> None:
    suites = play(bench(), candidate=1 - 1e-9, live=0.4)
    assert [suite.wins("candidate").mean() for suite in suites] == [1.0, 1.0]
    assert suites[0].wins("live").mean() < 0.05
    assert suites[1].greedy("candidate") == (10, 10)
    assert suites[1].greedy("live") == (0, 10)
    assert gate.decide(Scores(suites=suites), QualityGateConfig(), seed=0).word == "promote"


def test_every_task_tells_what_happened_in_its_games(bench: Prepare) -> None:
    suites = play(bench(), candidate=0.6, live=0.6)
    for task in (task for suite in suites for task in suite.tasks):
        assert len(task.candidate.wins) == CONFIG.samples
        assert task.candidate.illegal == CONFIG.samples - sum(task.candidate.wins)
        assert task.candidate.tokens == 2 * task.candidate.turns
        assert task.candidate.refused == task.candidate.malformed == 0
    assert suites[0].verbs["live"]["say"].expected == 20 * 4 * 9
    assert 0 < suites[0].verbs["live"]["say"].done < 20 * 4 * 9


def test_the_same_seed_gives_the_same_scores_and_the_models_differ_in_luck_only(
    bench: Prepare,
) -> None:
    one = bench()
    first, second = (play(one, candidate=0.8, live=0.8) for _ in range(2))
    assert first == second
    assert (first[0].wins("candidate") != first[0].wins("live")).any()
    assert gate.decide(Scores(suites=first), QualityGateConfig(), seed=0).word == "hold"


def test_a_win_that_the_verifier_refuses_is_no_win(bench: Prepare) -> None:
    strict = (
        TOY
        + """
    def outcome(self, task, actions):
        return Outcome(False, 0.0, "not by this judge")
"""
    )
    one = bench(strict)
    suite = play(one, candidate=1 - 1e-9, live=0.5)[1]
    assert suite.wins("candidate").sum() == 0
    assert {task.candidate.refused for task in suite.tasks} == {CONFIG.samples}


def test_the_student_sees_the_prompt_the_lore_and_the_first_observation(bench: Prepare) -> None:
    one = bench()
    opening = one.openings(CONFIG.suites[1])[0]
    assert opening.task.split == "test"
    assert opening.transcript.first_observation == f"{opening.task.data['start']} was said."
    assert opening.transcript.turns == ()


def test_progress_names_the_suite_and_counts_games(
    bench: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv("GOLDSMITH_PROGRESS", str(path))
    play(bench(), candidate=0.9, live=0.9)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["text"] == "suite long (1 of 2), candidate"
    assert (lines[-1]["done"], lines[-1]["total"]) == (60, 60)


def test_metrics_have_the_names_that_other_tools_use(bench: Prepare) -> None:
    suites = play(bench(), candidate=0.9, live=0.5)
    names = set(metrics(Scores(suites=suites))["candidate"])
    assert {"eval/long/avg@4", "eval/long/pass@4", "eval/long/greedy"} <= names


def test_the_step_scores_two_models_of_the_store_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    install(tmp_path, monkeypatch)
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "signing.pem"))
    run = RunContext(run_id="r", domain="toy", tier="gold", seed=0, store=str(tmp_path / "store"))
    store = open_store(run.store)
    models.add(store, tiny_model, tier="gold", version="base", lineage={})
    models.promote(store, "gold", "base", cause="test")
    commit_directory(store, "checkpoints/r/model", tiny_model, kind="model", meta={})
    config = CONFIG.model_copy(update={"max_new_tokens": 4, "suites": CONFIG.suites[1:]})
    keys = [evaluate(run, config, model="checkpoints/r/model") for _ in range(2)]
    scores = Scores.model_validate_json(store.get(keys[0]))
    assert keys == ["runs/r/scores.json"] * 2
    assert (scores.live, scores.live_version) == ("models/gold/base", "base")
    assert scores.suites[0].tasks[0].candidate.malformed == CONFIG.samples


BROKEN = """
    def environment(self, task):
        if task.data["start"] == 5:
            raise KeyError("odd")
        while task.data["start"] == 2:
            pass
        return CountingEnvironment(task)
"""


def test_one_share_that_fails_ends_the_others_and_names_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    install(tmp_path, monkeypatch, source=TOY + BROKEN)
    directories: Any = {"candidate": tiny_model, "live": tiny_model}
    with pytest.raises(DomainError, match="domain toy on task toy/long/5 raised: KeyError: 'odd'"):
        play_shares("toy", CONFIG, directories, seed=0)


def scores_of(word: str) -> dict[str, Any]:
    """A readable document that promotes or holds."""
    wins = [1, 1] if word == "promote" else [0, 0]
    tasks = [
        {
            "task_id": str(number),
            "candidate": {"wins": wins, "greedy": 0},
            "live": {"wins": [0, 0], "greedy": 0},
        }
        for number in range(20)
    ]
    suite = {"name": "hard", "role": "target", "games": 20, "tasks": tasks}
    return {"candidate": "new", "live": "old", "suites": [suite]}


@pytest.mark.parametrize(
    ("word", "accepted"),
    [
        pytest.param("promote", "new", id="a promoted candidate is accepted"),
        pytest.param("hold", "old", id="a held candidate leaves what is live"),
    ],
)
def test_the_gate_step_writes_its_verdict_and_passes_on_a_model(
    tmp_path: Path, word: str, accepted: str
) -> None:
    run = RunContext(run_id="r", domain="toy", tier="gold", seed=0, store=str(tmp_path))
    store = open_store(run.store)
    store.create("scores.json", seal(scores_of(word)))
    verdicts = [
        gate.quality_gate(run, QualityGateConfig(), scores="scores.json", model="new")
        for _ in range(2)
    ]
    assert verdicts[0] == verdicts[1]
    assert (verdicts[0].word, verdicts[0].accepted) == (word, accepted)
    document = json.loads(store.get("runs/r/gate.json"))
    assert document["suites"][0]["power_identical"] <= 1
    assert document["reasons"] == list(verdicts[0].reasons)


@pytest.mark.parametrize("damage", [None, b"{}\n", b"not json"])
def test_missing_or_damaged_scores_are_held_and_do_not_stop_the_run(
    tmp_path: Path, damage: bytes | None
) -> None:
    run = RunContext(run_id="r", domain="toy", tier="gold", seed=0, store=str(tmp_path))
    if damage:
        open_store(run.store).create("scores.json", damage)
    verdict = gate.quality_gate(run, QualityGateConfig(), scores="scores.json", model="new")
    assert verdict.word == "hold"
    assert "scores.json" in verdict.reasons[0]
