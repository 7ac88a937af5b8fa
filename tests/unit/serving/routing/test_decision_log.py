"""Logging decisions, deciding them again, and saying them in words."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goldsmith.cli.route import app
from goldsmith.errors import DataError
from goldsmith.serving.routing.brain import Brain
from goldsmith.serving.routing.choice import REFUSALS
from goldsmith.serving.routing.events import (
    Adapters,
    Ended,
    Endpoints,
    FirstByte,
    Health,
    Judged,
    Load,
    Sent,
    Weight,
)
from goldsmith.serving.routing.explain import CHOSEN, REFUSED, UNABLE, explain
from goldsmith.serving.routing.log import DecisionLog, read_log
from goldsmith.serving.routing.replay import replay
from goldsmith.serving.routing.tier import HARD
from tests.fixtures.routing import arrived, endpoints, new_brain, routing_config

CONFIG = routing_config(min_quality=0.7, budget_usd_per_hour=0.5, exploration=0.02)


def play(log: DecisionLog, *, count: int = 300, seed: int = 0) -> None:
    """A busy stretch with all kinds of events, as a router would log it."""
    brain, draw = Brain(CONFIG), random.Random(seed)

    def tell(event: Any) -> None:
        log.write(event)
        brain.observe(event)

    tell(Health(0.0, endpoints("silver")[0], False))
    tell(Load(0.1, endpoints("bronze")[0], 3, 2, 0.97))
    tell(Adapters(0.1, endpoints("gold")[0], ("chef--1",)))
    tell(Weight(0.1, endpoints("gold")[1], 0.3))
    tell(Endpoints(0.2, "bronze", ("http://a:1", "http://b:1")))
    for number in range(count):
        at = number * 0.37 + draw.random() / 3
        request = arrived(
            number,
            at,
            tiers=draw.choice(((), (), ("gold",))),
            adapter=draw.choice(("", "chef--1", "chef--9")),
            tokens_in=draw.randrange(10, 9000),
            text_features=tuple(draw.randrange(1 << 32) for _ in range(9)),
            max_cost_usd=draw.choice((None, 0.001)),
            slo_ttft_ms=draw.choice((None, 250.5)),
        )
        log.write(request)
        decision = brain.decide(request)
        log.write(decision)
        if not decision.tier:
            continue
        where = request.request_id, decision.endpoint
        tell(Sent(at, *where))
        tell(FirstByte(at + draw.random(), *where))
        tell(Ended(at + 1 + draw.random(), *where, draw.randrange(99), 50, True, 200))
        tell(Judged(at + 2, request.request_id, draw.random()))


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "decisions.jsonl"
    with DecisionLog(path, CONFIG) as log:
        play(log)
    return path


def copy_of(log_file: Path, folder: Path, lines: list[bytes]) -> Path:
    path = folder / log_file.name
    path.write_bytes(b"".join(lines))
    return path


def test_a_log_gives_the_same_decisions_bit_for_bit(log_file: Path) -> None:
    report = replay(log_file)
    assert report.identical
    assert report.first_difference == ""
    assert report.decisions == 300
    assert len(report.reasons) >= 4
    assert 0 < report.decision_p50_us <= report.decision_p99_us


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'"tokens_in":', b'"tokens_in":1', id="input"),
        pytest.param(b'"price_usd":0.0', b'"price_usd":0.1', id="decision"),
        pytest.param(b'"seed":0', b'"seed":7,"exploration":1.0', id="configuration"),
    ],
)
def test_a_changed_log_is_found_out(log_file: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    changed = log_file.read_bytes().replace(old, new)
    report = replay(copy_of(log_file, tmp_path, [changed]))
    assert report.different > 0
    assert report.first_difference.startswith("logged ")


def test_a_restarted_router_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "decisions.jsonl"
    for seed in range(2):
        with DecisionLog(path, CONFIG) as log:
            play(log, count=20, seed=seed)
    report = replay(path)
    assert (report.decisions, report.identical) == (40, True)


def test_a_line_torn_by_a_kill_is_left_out(log_file: Path, tmp_path: Path) -> None:
    lines = log_file.read_bytes().splitlines(keepends=True)
    path = copy_of(log_file, tmp_path, [*lines[:100], lines[100][:20]])
    torn = replay(path)
    assert torn.identical
    with DecisionLog(path, CONFIG) as log:
        play(log, count=5)
    again = replay(path)
    assert again.identical
    assert again.decisions == torn.decisions + 5


def test_a_broken_line_in_the_middle_is_named(log_file: Path, tmp_path: Path) -> None:
    lines = log_file.read_bytes().splitlines(keepends=True)
    path = copy_of(log_file, tmp_path, [*lines[:100], b'{"Sent":{"at":1}}\n', *lines[101:]])
    with pytest.raises(DataError, match="line 101"):
        replay(path)


def test_what_follows_a_gap_is_not_compared(log_file: Path, tmp_path: Path) -> None:
    lines = log_file.read_bytes().splitlines(keepends=True)
    path = copy_of(log_file, tmp_path, [*lines[:100], b'{"lost":3}\n', *lines[150:]])
    assert replay(path).identical


def test_lines_that_the_disk_refuses_are_counted_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "decisions.jsonl"
    log = DecisionLog(path, CONFIG)
    play(log, count=5)
    log.close()
    full = DecisionLog(Path("/dev/full"), CONFIG)
    play(full, count=5)
    full.close()
    assert full.lost > 5
    assert replay(path).identical


def test_memory_is_bounded_while_the_disk_does_not_keep_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldsmith.serving.routing.log.PENDING_MOST", 50)
    path = tmp_path / "decisions.jsonl"
    with DecisionLog(path, CONFIG) as log:
        play(log, count=100)
        assert log.lost > 0
    assert b'{"lost":' in path.read_bytes()
    assert replay(path).identical


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"Sent":{}}\n'], ids=["0", "text", "json"])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(DataError, match="decision_log"):
        list(read_log(path))
    with pytest.raises(DataError, match="No such file"):
        list(read_log(tmp_path / "missing"))


def test_every_reason_has_words() -> None:
    assert set(REFUSED) == {*REFUSALS, "budget"}
    assert set(UNABLE) == HARD
    assert {"explicit", "cheapest", "exploration", "budget"} < set(CHOSEN)


def test_an_explanation_names_the_choice_and_every_tiers_figures() -> None:
    brain = new_brain(min_quality=0.7)
    words = explain(brain.decide(arrived()))
    first, gold, silver, bronze = words.splitlines()
    assert first.startswith("r0 went to silver at http://silver-0:8000: it costs least")
    assert "below the floor of 0.70" in gold
    assert "within the SLO of 800 ms" in silver
    assert "$" in bronze
    refused = explain(brain.decide(arrived(1, tokens_in=9000)))
    assert "r1 was refused: prompt and answer do not fit any context" in refused


def test_the_command_line_explains_and_replays(log_file: Path) -> None:
    run = CliRunner().invoke
    latest = run(app, ["explain", str(log_file)])
    assert "r299" in latest.output
    one = run(app, ["explain", str(log_file), "r7", "--json"])
    (document,) = json.loads(one.output)
    assert document["request_id"] == "r7"
    assert document["words"].startswith("r7 ")
    again = run(app, ["replay", str(log_file)])
    assert "the same, bit for bit" in again.output
    report = json.loads(run(app, ["replay", str(log_file), "--json"]).output)
    assert (report["identical"], report["decisions"]) == (True, 300)


def test_the_command_line_fails_on_a_difference_and_an_unknown_request(
    log_file: Path, tmp_path: Path
) -> None:
    changed = log_file.read_bytes().replace(b'"retry_after_s":0.0', b'"retry_after_s":9.0')
    path = copy_of(log_file, tmp_path, [changed])
    with pytest.raises(DataError, match="decisions differ"):
        CliRunner().invoke(app, ["replay", str(path)], catch_exceptions=False)
    with pytest.raises(DataError, match="no decision on it"):
        CliRunner().invoke(app, ["explain", str(log_file), "r9999"], catch_exceptions=False)
