"""The scorecard's traces, its simulated tiers, and the whole of it at a small scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.bench import bench_routing
from tests.bench.routing_policies import LatencyOnly, Mixture, Oracle, Ours
from tests.bench.simulated_tiers import TIERS, difficulties, simulate
from tests.bench.traces import Arrival, generate, load_azure, load_burstgpt, with_topics

AZURE_2023 = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:01+00:00,2399,6
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
45,ChatGPT,1087,230,1317,Conversation log
5,ChatGPT,472,18,490,Conversation log
1106,ChatGPT,0,0,0,Conversation log
"""


@pytest.mark.parametrize("cv", [1.0, 2.0, 4.0])
def test_generated_gaps_have_the_rate_and_burstiness_that_were_asked_for(cv: float) -> None:
    times = np.array([each.at_s for each in generate(0, count=12_000, rate_per_s=5.0, cv=cv)])
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(0.2, rel=0.1)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1)


def test_a_days_curve_has_a_busy_and_a_quiet_half() -> None:
    trace = generate(0, count=8640, rate_per_s=0.1, diurnal=0.5)
    first = sum(each.at_s < 43_200 for each in trace)
    assert first / len(trace) == pytest.approx(0.5 + 0.5 / np.pi, abs=0.03)


def test_conversations_that_go_on_have_longer_prompts_and_the_same_topic() -> None:
    arrivals = [Arrival(float(n), 50, 20) for n in range(200)]
    fresh, reused = (with_topics(0, arrivals, reuse=share) for share in (0.0, 0.8))
    assert {each.tokens_in for each in fresh} == {50}
    assert max(each.tokens_in for each in reused) > 150
    assert generate(3, count=50, rate_per_s=1.0) == generate(3, count=50, rate_per_s=1.0)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param(AZURE_2023, [(0.0, 374, 44), (4.314579, 396, 109)], id="2023"),
        pytest.param(AZURE_2024, [(0.0, 2162, 5), (0.99007, 2399, 6)], id="2024"),
    ],
)
def test_azure_traces_of_both_years_load(
    tmp_path: Path, text: str, rows: list[tuple[float, int, int]]
) -> None:
    (file := tmp_path / "azure.csv").write_text(text)
    loaded = [(each.at_s, each.tokens_in, each.tokens_out) for each in load_azure(file)]
    for found, expected in zip(loaded, rows, strict=True):
        assert found == pytest.approx(expected)


def test_burstgpt_loads_in_order_of_time_without_its_failures(tmp_path: Path) -> None:
    (file := tmp_path / "burst.csv").write_text(BURSTGPT)
    assert load_burstgpt(file) == [Arrival(0.0, 472, 18), Arrival(40.0, 1087, 230)]


def test_an_idle_simulated_tier_is_as_fast_as_its_model() -> None:
    trace = with_topics(0, [Arrival(100.0 * n, 900, 60) for n in range(50)])
    outcome = simulate(trace, Mixture((1, 0, 0), seed=0, count=50), seed=0)
    gold = TIERS[0]
    assert np.median(outcome.ttft_ms) == pytest.approx(
        1e3 * (gold.overhead_s + 900 / gold.prefill_per_s), rel=0.1
    )
    assert set(outcome.tier) == {"gold"}


def test_the_oracle_attains_most_and_always_bronze_costs_most() -> None:
    trace = generate(0, count=1500, rate_per_s=3.0, cv=2.0)
    hard = difficulties(0)
    policies = {
        "oracle": Oracle(hard),
        "bronze": Mixture((0, 0, 1), seed=0, count=1500),
        "latency": LatencyOnly(),
        "ours": Ours(seed=0),
    }
    found = {
        name: bench_routing.score(simulate(trace, policy, seed=0))
        for name, policy in policies.items()
    }
    assert max(found, key=lambda name: found[name].attained) == "oracle"
    assert max(found, key=lambda name: found[name].usd_per_1000) == "bronze"
    assert found["ours"].attained > found["latency"].attained


def test_the_scorecard_runs_at_a_small_scale_and_writes_its_figures(tmp_path: Path) -> None:
    (azure := tmp_path / "azure.csv").write_text(AZURE_2023)
    out = tmp_path / "routing.json"
    small = ["--scale", "0.01", "--seeds", "1", "--azure", str(azure), "--out", str(out)]
    bench_routing.main(small)
    written = json.loads(out.read_text())
    assert {"hardware", "versions", "seeds", "figures", "summary", "rows"} <= set(written)
    names = {each["name"] for each in written["figures"]}
    assert {"budget error, worst day", "replay is bit for bit"} <= names
    assert all(
        set(each) == {"name", "value", "unit", "goal", "holds"} for each in written["figures"]
    )
    assert {each["policy"] for each in written["rows"]} == {
        "ours", "always-bronze", "latency-only", "oracle", "random", "threshold",
    }  # fmt: skip
