"""What the three roles really write passes without an alarm."""

import json

import pytest

from goldsmith.collaboration.orchestrator import collaborate
from goldsmith.config.run import CollaborateConfig, LevelMix, RunContext, ValidateDataConfig
from goldsmith.data.validator import validate_data
from goldsmith.store.object_store import open_store

MIXES = {
    "cooking": {"easy": 4, "hard": 6},
    "reasoning": {"chain_sum-easy": 20, "gsm_symbolic-hard": 10, "tower_of_hanoi-medium": 10},
}


@pytest.mark.parametrize("domain", MIXES)
def test_a_real_data_set_raises_no_alarm(tmp_path, domain):
    run = RunContext(run_id="r1", domain=domain, tier="gold", seed=0, store=str(tmp_path))
    mix = tuple(LevelMix(level=level, count=n) for level, n in MIXES[domain].items())
    dataset = collaborate(run, CollaborateConfig(tasks=mix, lore_arms=False))
    assert validate_data(run, ValidateDataConfig(held_out_tasks=2), dataset=dataset) == dataset
    report = json.loads(open_store(run.store).get("runs/r1/validation.json"))
    assert report["counts"] == {}
    assert report["records"] == report["replayed"] >= 9
