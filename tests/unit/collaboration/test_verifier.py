"""Role C in its own process: verdicts in order while B plays on, and a broken plug-in is named."""

import os
import time

import pytest

from goldsmith.collaboration.verifier import Play, Verifier
from goldsmith.errors import DomainError
from goldsmith.pipeline.memory import descendants
from goldsmith.tasks.registry import find_domain
from tests.fixtures.data.plugin import TOY, install, played

VERIFY = "def verify(self, task, steps, passages):\n"


def plays(count=1):
    """Honest attempts at toy tasks."""
    domain = find_domain("toy")
    tasks = domain.tasks("short", "train", count)
    return [Play(task, played(domain, task, domain.lore()), malformed=False) for task in tasks]


def toy_with(code):
    """The toy domain with something else at the beginning of `verify`."""
    return TOY.replace(VERIFY, f"{VERIFY}        {code}\n")


def test_verdicts_keep_their_order(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    asked = [Play(p.task, p.transcript, malformed=n % 2 == 1) for n, p in enumerate(plays(20))]
    with Verifier(timeout_s=30) as verifier:
        outcomes = list(verifier.judge(iter(asked)))
    assert [outcome.solved for outcome in outcomes] == [n % 2 == 0 for n in range(20)]
    assert outcomes[1].reason == "step 4: the answer is not a step"
    assert len(outcomes[1].proof) == 4


def test_c_has_a_process_of_its_own_that_ends_with_it(tmp_path, monkeypatch):
    code = "import os; return Outcome(False, 0.0, str(os.getpid()))"
    install(tmp_path, monkeypatch, source=toy_with(code))
    before = set(descendants(os.getpid()))
    with Verifier(timeout_s=30) as verifier:
        verifier.prepare("toy", "short", 1, seed=0)
        (outcome,) = verifier.judge(plays())
    assert outcome.reason.isdigit()
    assert int(outcome.reason) != os.getpid()
    assert set(descendants(os.getpid())) == before


@pytest.mark.parametrize(
    ("code", "why"),
    [
        pytest.param("raise ValueError('odd')", "raised: ValueError: odd; mend", id="raises"),
        pytest.param(
            "while True: pass",
            "hangs: no answer within 1 s; mend the plug-in or raise collaborate.task_timeout_s",
            id="hangs",
        ),
        pytest.param("import os; os._exit(0)", "has no verdict: its process died", id="exits"),
        pytest.param("return None", "raised: AttributeError", id="no-outcome"),
        pytest.param("return Outcome(True, 2.0)", "the verdict is malformed", id="odd-score"),
    ],
)
def test_a_plug_in_without_a_verdict_is_named_with_its_task(tmp_path, monkeypatch, code, why):
    install(tmp_path, monkeypatch, source=toy_with(code))
    with Verifier(timeout_s=1) as verifier, pytest.raises(DomainError) as error:
        list(verifier.judge(plays()))
    assert str(error.value).startswith("domain toy on task toy/short/0 ")
    assert why in str(error.value)


def test_leaving_does_not_wait_for_a_verdict_that_hangs(tmp_path, monkeypatch):
    started = tmp_path / "started"
    code = f"open({str(started)!r}, 'w').close(); import time; time.sleep(600)"
    install(tmp_path, monkeypatch, source=toy_with(code))
    with pytest.raises(KeyboardInterrupt), Verifier(timeout_s=600) as verifier:
        for _ in verifier.judge(interrupted(plays(), started)):
            pass


def interrupted(asked, started):
    """Ctrl-C while C is at the first verdict."""
    yield from asked
    end = time.monotonic() + 60
    while not started.exists():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)  # a poll of another process, not a pause
    raise KeyboardInterrupt


def test_what_cannot_be_prepared_is_told_where_it_matters(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    with Verifier(timeout_s=30) as verifier:
        verifier.prepare("toy", "no such level", -1, seed=0)
        verifier.prepare("nowhere", "short", 1, seed=0)
        assert [outcome.solved for outcome in verifier.judge(plays(2))] == [True, True]
