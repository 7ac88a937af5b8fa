"""A, B and C at one task: every attempt is kept, C's reason leads to the next one."""

import time
from itertools import count
from types import SimpleNamespace

import pytest

from goldsmith.collaboration.attempts import Bounds, Roles, attempt_tasks
from goldsmith.collaboration.lore_retriever import FixedLore, LoreRetriever
from goldsmith.collaboration.tally import Tally
from goldsmith.collaboration.teacher_planner import SymbolicTeacher
from goldsmith.collaboration.verifier import Verifier
from goldsmith.errors import DomainError
from goldsmith.observability.progress import read_lines
from goldsmith.tasks.cooking.domain import CookingDomain
from goldsmith.tasks.transcript import Step

DOMAIN = CookingDomain()
PACK = {passage.passage_id: passage for passage in DOMAIN.lore()}
TASK = DOMAIN.tasks("medium", "train", 1)[0]
GOLD = [PACK[name] for name in sorted(DOMAIN.gold_passages(TASK))]
BOUNDS = Bounds(attempts=3, turns=40, domain_seconds=60)


class ForgetfulRetriever(LoreRetriever):
    """Finds nothing at first, and then whatever C asks for."""

    def first(self, queries, *, task_id):
        return []


class ScriptedTeacher:
    """Says the same steps in every attempt and remembers the reasons it was told."""

    def __init__(self, *steps):
        self.steps, self.reasons = steps, []

    def next_step(self, transcript, *, reasons, guard):
        self.reasons.append(tuple(reasons))
        return self.steps[len(transcript.turns)]


@pytest.fixture(scope="module")
def verifier():
    """C in its own process."""
    with Verifier(timeout_s=60) as verifier:
        yield verifier


@pytest.fixture
def attempt(verifier):
    """Plays the task with a retriever; every attempt in order."""

    def play(retriever, teacher=None, domain=DOMAIN, bounds=BOUNDS):
        teacher = teacher or SymbolicTeacher(domain)
        roles = Roles(domain, retriever, teacher, verifier, bounds, Tally(1))
        return attempt_tasks(roles, [TASK])[0]

    return play


def test_with_the_needed_lore_the_first_attempt_is_accepted(attempt):
    tries = attempt(FixedLore({TASK.task_id: GOLD}))
    assert [(one.attempt, one.accepted) for one in tries] == [(1, True)]
    assert tries[0].trajectory_id == f"{TASK.task_id}-a1"
    assert len(tries[0].outcome.proof) == len(tries[0].transcript.turns) + 1


def test_c_sends_a_back_for_what_is_missing(attempt):
    tries = attempt(ForgetfulRetriever(DOMAIN.lore(), 8))
    assert [one.accepted for one in tries] == [False, True]
    assert tries[0].transcript.passages == ()
    assert "no passage says what it means" in tries[0].outcome.reason
    assert {name for name, _ in tries[1].transcript.passages} >= DOMAIN.gold_passages(TASK)


def test_without_lore_every_attempt_is_rejected_and_kept(attempt):
    tries = attempt(FixedLore({}))
    assert [(one.attempt, one.accepted) for one in tries] == [(1, False), (2, False), (3, False)]


def test_wrong_lore_loses(attempt):
    assert not any(one.accepted for one in attempt(LoreRetriever(DOMAIN.wrong_lore(), 8)))


def test_a_malformed_step_fails_the_attempt_and_b_is_told(attempt):
    teacher = ScriptedTeacher(Step("look first", "look"), None)
    tries = attempt(FixedLore({}), teacher)
    assert [one.outcome.reason for one in tries] == ["step 2: the answer is not a step"] * 3
    assert len(tries[0].transcript.turns) == 1
    assert teacher.reasons[-1] == ("step 2: the answer is not a step",) * 2


def test_an_inadmissible_command_ends_the_attempt(attempt):
    tries = attempt(FixedLore({}), ScriptedTeacher(Step("try", "fly")))
    assert [len(one.transcript.turns) for one in tries] == [1, 1, 1]
    assert "not admissible: fly" in tries[0].outcome.reason


def test_a_slow_teacher_is_seen_at_work_between_two_tasks(verifier, tmp_path, monkeypatch):
    monkeypatch.setenv("GOLDSMITH_PROGRESS", str(tmp_path / "progress.jsonl"))
    ticks = count(0.0, 11.0)
    clock = SimpleNamespace(monotonic=lambda: next(ticks), time=time.time)
    monkeypatch.setattr("goldsmith.observability.progress.time", clock)
    tally, teacher = Tally(1), ScriptedTeacher(*[Step("look", "look")] * 4)
    tally.say("making 1 tasks of level medium")
    roles = Roles(DOMAIN, FixedLore({}), teacher, verifier, Bounds(1, 4, 60), tally)
    attempt_tasks(roles, [TASK])
    lines = read_lines(tmp_path / "progress.jsonl")
    assert [line["done"] for line in lines] == [0, 0, 0, 0, 0, 1]


def test_turns_are_bounded(attempt):
    teacher = ScriptedTeacher(*[Step("look", "look")] * 9)
    tries = attempt(FixedLore({}), teacher, bounds=Bounds(1, 5, 60))
    assert len(tries[0].transcript.turns) == 5


class Broken(CookingDomain):
    """A domain whose environment raises or hangs."""

    def __init__(self, act):
        self.act = act

    def environment(self, task):
        return self.act()


def hang():
    while True:
        pass


@pytest.mark.parametrize(
    ("act", "why"),
    [
        pytest.param(lambda: 1 // 0, "raised: ZeroDivisionError", id="raises"),
        pytest.param(hang, "hangs: no answer within 0.05 s", id="hangs"),
    ],
)
def test_a_broken_domain_is_named_with_its_task(attempt, act, why):
    with pytest.raises(DomainError, match=f"domain cooking on task {TASK.task_id} {why}"):
        attempt(FixedLore({}), domain=Broken(act), bounds=Bounds(3, 40, 0.05))
