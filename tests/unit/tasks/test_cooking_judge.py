"""Role C: replays strictly, checks each citation, and asks instead of telling."""

from dataclasses import replace

import pytest

from goldsmith.tasks.cooking.commands import PREPARING, slot_reward
from goldsmith.tasks.cooking.domain import SPLITS, CookingDomain
from goldsmith.tasks.transcript import Step, Transcript

DOMAIN = CookingDomain()
PACK = {passage.passage_id: passage for passage in DOMAIN.lore()}
TASK = DOMAIN.tasks("hard", "test", 2)[1]


def gold_lore(task):
    return [PACK[name] for name in sorted(DOMAIN.gold_passages(task))]


def expert(task):
    """B's steps with exactly the passages that the task needs."""
    player, planner = DOMAIN.environment(task), DOMAIN.planner()
    shown = tuple((passage.passage_id, passage.text) for passage in gold_lore(task))
    seen = player.reset()
    transcript = Transcript(task.prompt, shown, seen.text)
    while not seen.done:
        step = planner.next_step(transcript)
        seen = player.step(step.action)
        transcript = transcript.append(step, seen.text)
    return [turn.step for turn in transcript.turns]


STEPS = expert(TASK)
PREPARED = [i for i, step in enumerate(STEPS) if step.action.startswith(PREPARING)]


def verdict(steps, passages=None):
    return DOMAIN.verify(TASK, steps, gold_lore(TASK) if passages is None else passages)


@pytest.mark.parametrize("level", DOMAIN.levels)
@pytest.mark.parametrize("split", SPLITS)
def test_the_expert_is_accepted_with_a_proof(level, split):
    for task in DOMAIN.tasks(level, split, 2):
        steps = expert(task)
        outcome = DOMAIN.verify(task, steps, gold_lore(task))
        assert outcome.solved, outcome.reason
        assert len(outcome.proof) == len(steps) + 1


@pytest.mark.parametrize("dropped", range(len(STEPS)))
def test_no_step_can_be_left_out(dropped):
    assert not verdict(STEPS[:dropped] + STEPS[dropped + 1 :]).solved


@pytest.mark.parametrize("index", PREPARED)
@pytest.mark.parametrize(
    "citations",
    [
        pytest.param(lambda step: (), id="none"),
        pytest.param(lambda step: ("lore-9999",), id="unknown"),
        pytest.param(
            lambda step: tuple(
                p.passage_id for p in gold_lore(TASK) if p.passage_id not in step.citations
            ),
            id="all-others",
        ),
    ],
)
def test_a_step_without_an_entailing_citation_is_rejected(index, citations):
    steps = list(STEPS)
    steps[index] = replace(steps[index], citations=citations(steps[index]))
    outcome = verdict(steps)
    assert not outcome.solved
    assert outcome.failed_step == index
    assert "no cited passage entails the command" in outcome.reason


def test_a_citation_must_be_among_the_passages_that_a_returned():
    cited = STEPS[PREPARED[0]].citations[0]
    passages = [p for p in gold_lore(TASK) if p.passage_id != cited]
    assert verdict(STEPS, passages).failed_step == PREPARED[0]


@pytest.mark.parametrize("index", PREPARED)
def test_a_wrong_command_is_rejected_even_if_it_cites_the_right_passage(index):
    food = STEPS[index].action.split(" ", 1)[1].split(" with ")[0]
    wrong = [f"cook {food} with {tool}" for tool in ("oven", "stove", "bbq")]
    wrong += [f"{verb} {food} with knife" for verb in ("slice", "dice", "chop")]
    for action in set(wrong) - {STEPS[index].action}:
        steps = list(STEPS)
        steps[index] = replace(steps[index], action=action)
        assert not verdict(steps).solved


def test_the_reason_is_a_query_and_not_the_answer():
    bare = [replace(step, citations=()) for step in STEPS]
    reason = verdict(bare, []).reason
    assert "no passage says what it means for food when a recipe says '" in reason
    told = {STEPS[i].action.split()[0] for i in PREPARED} | {
        STEPS[i].action.split()[-1] for i in PREPARED
    }
    assert not told & set(reason.replace("'", " ").replace(",", " ").split())


def test_an_illegal_or_late_step_is_rejected():
    assert "not admissible" in verdict([Step("x", "fly"), *STEPS]).reason
    assert not verdict([*STEPS, Step("x", "look")]).solved
    assert verdict(STEPS[:-1]).reason.startswith(f"step {len(STEPS)}: the meal was not eaten")


def test_a_student_is_judged_without_citations():
    actions = [step.action for step in STEPS]
    assert DOMAIN.outcome(TASK, actions).solved
    assert not DOMAIN.outcome(TASK, actions[:-1]).solved
    assert "the task was over" in DOMAIN.outcome(TASK, [*actions, "look"]).reason
    assert "not admissible" in DOMAIN.outcome(TASK, ["fly", *actions]).reason


@pytest.mark.parametrize(
    ("action", "expert", "reward"),
    [
        pytest.param("cook egg with oven", "cook egg with oven", 1.0, id="same"),
        pytest.param("cook egg with stove", "cook egg with oven", 1 / 3, id="wrong-tool"),
        pytest.param("slice egg with knife", "dice egg with knife", 1 / 3, id="wrong-verb"),
        pytest.param("take red apple from fridge", "open fridge", 0.0, id="other-kind"),
        pytest.param("prepare meal", "eat meal", 0.25, id="half"),
        pytest.param("the oven, surely", "cook egg with oven", 0.0, id="prose"),
        pytest.param("", "eat meal", 0.0, id="empty"),
    ],
)
def test_slot_reward(action, expert, reward):
    assert slot_reward(action, expert) == pytest.approx(reward)
    assert slot_reward(action, expert) <= 0.5 or action == expert
