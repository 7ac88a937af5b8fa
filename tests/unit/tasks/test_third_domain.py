"""A third domain is one file and one entry point outside the package; a broken one is named."""

import pytest

from goldsmith.errors import DomainError
from goldsmith.tasks.registry import domain_names, find_domain
from goldsmith.tasks.verification import VerifierPool, VerifyRequest
from tests.fixtures.data.plugin import TOY, install, played


@pytest.fixture
def pool():
    """A verifier that waits 3 s for a domain."""
    with VerifierPool(load_timeout_s=3.0, memory_mb=1024) as pool:
        yield pool


def test_a_plug_in_is_found_and_its_gold_answers_verify(tmp_path, monkeypatch, pool):
    install(tmp_path, monkeypatch)
    domain = find_domain("toy")
    tasks = [t for level in domain.levels for t in domain.tasks(level, "test", 5)]
    requests = [VerifyRequest.of(t, played(domain, t, domain.lore())) for t in tasks]
    assert "toy" in domain_names()
    assert [step.action for step in requests[0].steps] == domain.gold_actions(tasks[0])
    assert all(outcome.score == 1.0 for outcome in pool.outcomes(requests))
    pool.check("toy")


def broken(part, code):
    """The toy domain with one line put in."""
    assert part in TOY
    return TOY.replace(part, part + code)


RESET, VERIFY = "def reset(self):\n", "def verify(self, task, steps, passages):\n"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        pytest.param("raise OSError('no disk')", "OSError: no disk", id="raises-at-import"),
        pytest.param("import not_there", "No module named 'not_there'", id="misses-a-module"),
        pytest.param("ToyDomain = dict", "it is no Domain", id="is-no-domain"),
        pytest.param("import time; time.sleep(60)", "no answer within 3 s", id="hangs-at-import"),
        pytest.param("import os; os._exit(0)", "its process died", id="exits-at-import"),
        pytest.param(
            broken(RESET, "        raise ValueError('odd')\n"),
            "ValueError: odd",
            id="raises-in-reset",
        ),
        pytest.param(
            broken(RESET, "        while True: pass\n"), "no answer within 3 s", id="hangs-in-reset"
        ),
        pytest.param(
            TOY.replace('"start"] + 1, task', '"start"] + 2, task'),
            "does not solve it",
            id="bad-gold",
        ),
    ],
)
def test_a_broken_plug_in_is_named(tmp_path, monkeypatch, pool, source, why):
    install(tmp_path, monkeypatch, "mine", source)
    with pytest.raises(DomainError, match=r"domain mine failed its (load|check)") as error:
        pool.check("mine")
    assert why in str(error.value) and "mend or uninstall the plug-in" in str(error.value)


def test_a_plug_in_cannot_replace_one_that_ships(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "reasoning")
    assert type(find_domain("reasoning")).__name__ == "ReasoningDomain"


def test_a_verifier_that_hangs_scores_nothing(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "toy", broken(VERIFY, "        while True: pass\n"))
    task = find_domain("toy").tasks("short", "train", 1)[0]
    with VerifierPool(timeout_s=0.5) as pool:
        outcome = pool.outcomes([VerifyRequest(task, ())])[0]
    assert (outcome.solved, outcome.reason) == (False, "no verdict within 0.5 s")
