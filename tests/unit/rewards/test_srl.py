"""The two SRL rewards and what each is blind to."""

from __future__ import annotations

import pytest

from goldsmith.rewards.srl import difflib_reward, slot_reward


@pytest.mark.parametrize(
    ("action", "expert", "reward"),
    [
        pytest.param("open fridge", "open fridge", 1.0, id="the expert's own words"),
        pytest.param(None, "open fridge", -1.0, id="malformed"),
        pytest.param("", "open fridge", 0.0, id="empty against text"),
    ],
)
def test_difflib_reward_is_the_papers(action: str | None, expert: str, reward: float) -> None:
    assert difflib_reward(action, expert) == reward


def test_difflib_rates_the_wrong_appliance_almost_perfect() -> None:
    """Why `ours` exists: the wrong appliance loses the game."""
    wrong = difflib_reward("cook red onion with stove", "cook red onion with oven")
    assert 0.85 < wrong < 1.0


def test_difflib_order_of_arguments_is_student_then_expert() -> None:
    from difflib import SequenceMatcher

    student, expert = "abxcd", "bcdxa"
    assert difflib_reward(student, expert) == SequenceMatcher(None, student, expert).ratio()


def test_autojunk_makes_a_cliff_at_two_hundred_characters() -> None:
    expert = "the onion is cut into small cubes and then it is set aside for later use. " * 4
    student = expert.replace("small cubes", "little dice")
    assert difflib_reward(student, expert) < difflib_reward(student, expert, autojunk=False)


@pytest.mark.parametrize(
    ("legal", "progressed", "slots", "reward"),
    [
        pytest.param(False, False, 1.0, 0.0, id="the expert's words where they are inadmissible"),
        pytest.param(True, True, 0.2, 0.3, id="another order that also brings it forward"),
        pytest.param(True, True, 0.4, 0.4, id="and is nearer to the expert's than that"),
        pytest.param(True, True, 1.0, 1.0, id="the expert's action brings it forward"),
        pytest.param(True, False, 1.0, 1.0, id="the expert's action"),
        pytest.param(True, False, 0.9, 0.5, id="one wrong slot is capped"),
        pytest.param(True, False, 0.0, 0.0, id="another verb"),
    ],
)
def test_slot_reward(legal: bool, progressed: bool, slots: float, reward: float) -> None:
    assert slot_reward(legal=legal, progressed=progressed, slots=slots) == reward


def test_a_try_at_the_experts_action_is_worth_more_than_another_sure_way() -> None:
    sure = slot_reward(legal=True, progressed=True, slots=0.0)
    right = slot_reward(legal=True, progressed=True, slots=1.0)
    wrong = slot_reward(legal=True, progressed=False, slots=1 / 3)  # the other food
    assert 0.5 * right + 0.5 * wrong > 1.5 * sure
