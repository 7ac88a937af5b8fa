"""The second domain: disjoint splits, gold scores 1.0, garbage scores 0."""

import dataclasses

import pytest

from goldsmith.errors import ConfigError, DomainError
from goldsmith.tasks.domain import Outcome, Task
from goldsmith.tasks.reasoning import ReasoningDomain
from goldsmith.tasks.reasoning.domain import LEVELS, is_right, item_of
from goldsmith.tasks.transcript import Step, Transcript

DOMAIN = ReasoningDomain()
FAMILIES = ("chain_sum", "tower_of_hanoi", "gsm_symbolic")
SPLITS = ("train", "valid", "test")
GARBAGE = (
    "", " ", "wrong answer", "0x10", "1e0", "nan", "inf", "answer: ", "answer: 1e3", "####", "None",
    "answer: ٣", "[]", "{}", "True", "\x00", "Move disk 1", "a" * 5000,
    "Move disk 9 from Peg 1 to Peg 2",
)  # fmt: skip


def attempt(task: Task, *actions: str) -> Outcome:
    """C's answer about these actions."""
    return DOMAIN.verify(task, [Step("I think.", action) for action in actions], [])


def one(family: str, difficulty: str = "easy") -> Task:
    """A training task."""
    return DOMAIN.tasks(f"{family}-{difficulty}", "train", 1, seed=3)[0]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", SPLITS)
def test_gold_answers_verify(level, split):
    for task in DOMAIN.tasks(level, split, 5):
        outcome = attempt(task, *DOMAIN.gold_actions(task))
        assert outcome.solved and outcome.score == 1.0
        assert len(outcome.proof) == len(DOMAIN.gold_actions(task)) + 1


@pytest.mark.parametrize("level", LEVELS)
def test_splits_share_no_problem(level):
    prompts = [{t.prompt for t in DOMAIN.tasks(level, split, 5)} for split in SPLITS]
    assert sum(map(len, prompts)) == len(set.union(*prompts)) == 15


def test_word_problem_templates_are_held_out():
    def templates(split):
        tasks = DOMAIN.tasks("gsm_symbolic-easy", split, 30)
        return {item_of(task).entry["metadata"]["template"] for task in tasks}

    train, test = templates("train"), templates("test")
    assert len(train) > 5 and len(test) > 2 and not train & test


def test_tall_towers_are_only_in_the_test_split():
    def disks(split):
        return {task.tags["disks"] for task in DOMAIN.tasks("tower_of_hanoi-hard", split, 6)}

    assert disks("train") == disks("valid") == {"seen"} and "unseen" in disks("test")


def test_tasks_are_the_same_every_time():
    first = DOMAIN.tasks("chain_sum-hard", "test", 8, seed=5)
    assert first == DOMAIN.tasks("chain_sum-hard", "test", 8, seed=5)
    assert first != DOMAIN.tasks("chain_sum-hard", "test", 8, seed=6)


def test_too_many_tasks_is_a_clear_error():
    with pytest.raises(ConfigError, match=r"different train problems, not 500"):
        DOMAIN.tasks("tower_of_hanoi-easy", "train", 500)


@pytest.mark.parametrize("family", FAMILIES)
def test_garbage_scores_nothing(family):
    task = one(family)
    item = item_of(task)
    assert not any(attempt(task, garbage).solved for garbage in GARBAGE)
    assert not any(is_right(item, garbage) for garbage in GARBAGE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dropped_step_is_not_a_solution(family):
    task = one(family, "medium")
    gold = DOMAIN.gold_actions(task)
    assert not attempt(task, *gold[:-1]).solved
    if family != "gsm_symbolic":
        assert not attempt(task, *gold[1:]).solved


def test_the_library_scorer_alone_would_take_a_wrong_sign():
    task = one("gsm_symbolic")
    answer = item_of(task).entry["answer"]
    assert attempt(task, f"answer: {answer}").solved
    assert attempt(task, f"answer: -{answer}").reason == "gsm_symbolic: wrong answer"


def test_a_detour_of_the_tower_scores_nothing():
    task = one("tower_of_hanoi")
    environment = DOMAIN.environment(task)
    first = environment.legal_actions()[0].split()
    back = " ".join([*first[:3], "from", "Peg", first[8], "to", "Peg", first[5]])
    outcome = attempt(task, " ".join(first), back, *DOMAIN.gold_actions(task))
    assert outcome.reason == "tower_of_hanoi: wrong answer" and outcome.failed_step is None


def test_steps_after_the_answer_are_rejected():
    task = one("chain_sum")
    gold = DOMAIN.gold_actions(task)
    assert attempt(task, *gold, gold[-1]).failed_step == len(gold)


def test_a_citation_must_have_been_retrieved():
    task, lore = one("chain_sum"), DOMAIN.lore()
    steps = [Step("I add.", action, (lore[0].passage_id,)) for action in DOMAIN.gold_actions(task)]
    assert DOMAIN.verify(task, steps, lore[:2]).solved
    assert DOMAIN.verify(task, steps, lore[2:]).reason == "a citation that was not retrieved"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_planner_wins_every_problem(family):
    task = one(family)
    environment = DOMAIN.environment(task)
    sight = environment.reset()
    lore = tuple((p.passage_id, p.text) for p in DOMAIN.lore()[:10])
    transcript = Transcript(task.prompt, lore, sight.text)
    while not sight.done:
        step = DOMAIN.planner().next_step(transcript)
        sight = environment.step(step.action)
        transcript = transcript.append(step, sight.text)
        assert sight.legal and step.citations and step.reasoning
    assert sight.solved and sight.progress == 1.0


def test_a_tampered_task_is_refused():
    task = dataclasses.replace(one("chain_sum"), prompt="State the final answer: 1 + 1 =")
    with pytest.raises(DomainError, match="does not match its seed"):
        DOMAIN.environment(task)


def test_progress_counts_the_followed_part_of_the_worked_answer():
    task = one("tower_of_hanoi", "medium")
    environment, gold = DOMAIN.environment(task), DOMAIN.gold_actions(task)
    assert environment.step(gold[0]).progress == pytest.approx(1 / len(gold))
    assert environment.step("Move disk 9 from Peg 1 to Peg 2").progress == pytest.approx(
        1 / len(gold)
    )


@pytest.mark.parametrize(
    ("action", "expert", "reward"),
    [
        pytest.param("4 - 1 = 3", "4 - 1 = 3", 1.0, id="equal"),
        pytest.param("4 - 1 = 5", "4 - 1 = 3", 0.4, id="wrong-result"),
        pytest.param("5 - 1 = 3", "4 - 1 = 3", 0.0, id="other-start"),
        pytest.param("", "4 - 1 = 3", 0.0, id="empty"),
    ],
)
def test_slots_of_an_action(action, expert, reward):
    assert DOMAIN.same_action(action, expert) == pytest.approx(reward)


def test_lore_has_rules_for_every_family_among_distractors():
    ids = [passage.passage_id for passage in DOMAIN.lore()]
    assert len(ids) == len(set(ids)) and sum(i.startswith("distractor/") for i in ids) >= 20
    assert all(DOMAIN.gold_passages(one(family)) for family in FAMILIES)
