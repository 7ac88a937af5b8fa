"""Role B plans from a transcript, says why, and cites; it never asks the engine."""

import subprocess
import sys
from dataclasses import replace

import pytest

from goldsmith.tasks.cooking.meanings import FORMS, WAYS, Meaning, explain, read_meaning
from goldsmith.tasks.cooking.planner import CookingPlanner
from goldsmith.tasks.transcript import Step, Transcript

START = Transcript(
    prompt=(
        "make the meal.\nrecipe: red onion.\n"
        "steps: ombrate the red onion. prepare and eat the meal."
    ),
    passages=(
        ("p1", "nobody likes to ombrate."),
        ("p2", "to ombrate, dice the food with the knife."),
    ),
    first_observation="the fridge is closed. knife on table. you carry nothing.",
)
PLAY = [
    ("open fridge", "you opened the fridge. milk in fridge. red onion in fridge."),
    ("take red onion from fridge", "you took the red onion from the fridge."),
    ("take knife from table", "you took the knife from the table."),
    ("dice red onion with knife", "the red onion is diced."),
    ("prepare meal", "the meal is ready."),
    ("eat meal", "you ate the meal. you won."),
]


def planned(transcript):
    """B's steps against written observations: there is no game anywhere."""
    steps = []
    for _, observation in PLAY:
        steps.append(CookingPlanner().next_step(transcript))
        transcript = transcript.append(steps[-1], observation)
    return steps


def test_a_transcript_is_all_that_the_planner_needs():
    assert [step.action for step in planned(START)] == [action for action, _ in PLAY]


def test_the_planner_does_not_import_the_engine():
    code = (
        "import sys, goldsmith.tasks.cooking.planner;"
        "sys.exit(any(name.startswith('textworld') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_cutting_step_cites_and_it_cites_what_explains_the_word():
    cited = [step.citations for step in planned(START)]
    assert cited == [(), (), (), ("p2",), (), ()]


def test_the_reasoning_carries_the_lookup_and_is_short():
    said = [step.reasoning for step in planned(START)]
    lookup = "next is ombrate the red onion. ombrate, dice the food with the knife."
    assert said == [
        "i need red onion. i do not see it.",
        "i need red onion. red onion in fridge.",
        f"{lookup} i need knife. knife on table.",
        lookup,
        "done: ombrate the red onion. prepare and eat the meal.",
        "the meal is ready.",
    ]


def test_other_lore_gives_another_command():
    other = replace(START, passages=(("p9", "ombrate: roast the food with the oven."),))
    assert planned(other)[2] == Step(
        "next is ombrate the red onion. ombrate: roast the food with the oven.",
        "cook red onion with oven",
        ("p9",),
    )


def test_without_lore_the_planner_guesses_and_cites_nothing():
    steps = planned(replace(START, passages=()))
    assert any("i do not know ombrate. i guess" in step.reasoning for step in steps)
    assert not any(step.citations for step in steps)
    assert steps == planned(replace(START, passages=()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_sentence_form_is_read_back(form, way):
    meaning = Meaning("ombrate", *way)
    assert read_meaning(explain(meaning, form=form)) == meaning


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("to ombrate, eat the food with the knife.", id="no-such-verb"),
        pytest.param("to ombrate, dice the food with the oven.", id="no-such-pair"),
        pytest.param("they say: to ombrate, dice the food with the knife.", id="hearsay"),
        pytest.param("to ombrate, dice the food with the knife. or not.", id="more-text"),
        pytest.param("", id="empty"),
    ],
)
def test_other_sentences_explain_nothing(text):
    assert read_meaning(text) is None


def test_a_prompt_without_a_recipe_is_refused():
    with pytest.raises(ValueError, match="no recipe"):
        CookingPlanner().next_step(replace(START, prompt="hello"))
