"""Sorting tasks into SRL, RLVR and retired."""

import pytest

from goldsmith.data.readiness import readiness, stage_of


@pytest.mark.parametrize(
    ("wins", "stage"),
    [
        pytest.param([False] * 16, "srl", id="never solved goes to SRL"),
        pytest.param([True] + [False] * 15, "rlvr", id="solved once goes to RLVR"),
        pytest.param([True] * 15 + [False], "rlvr", id="missed once goes to RLVR"),
        pytest.param([True] * 16, "retired", id="always solved is retired"),
    ],
)
def test_a_task_goes_where_its_wins_put_it(wins: list[bool], stage: str) -> None:
    assert stage_of(wins) == stage


def test_a_task_without_episodes_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one episode"):
        stage_of([])


def test_tasks_are_counted_by_level_and_stage_in_a_fixed_order() -> None:
    wins = {"b": [True, True], "a": [False, False], "c": [True, False]}
    sorted_tasks = readiness(wins, levels={"a": "hard", "b": "easy", "c": "hard"})
    assert sorted_tasks.task_ids("srl") == ["a"]
    assert sorted_tasks.counts() == {
        "hard": {"srl": 1, "rlvr": 1, "retired": 0},
        "easy": {"srl": 0, "rlvr": 0, "retired": 1},
    }
    reordered = readiness(
        dict(reversed(wins.items())), levels={"a": "hard", "b": "easy", "c": "hard"}
    )
    assert reordered.to_json() == sorted_tasks.to_json()
