"""The verifier's process: honest answers pass, hacks score nothing, nothing is left behind."""

import itertools
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from goldsmith.errors import DomainError
from goldsmith.tasks.domain import Passage
from goldsmith.tasks.framing import BrokenFrame
from goldsmith.tasks.registry import find_domain
from goldsmith.tasks.transcript import Step
from goldsmith.tasks.verification import VerifierPool, VerifyRequest, read_verdict
from tests.fixtures.data.hacks import hacks, number_hacks
from tests.fixtures.data.plugin import install, played

REASONING = ("chain_sum", "tower_of_hanoi", "gsm_symbolic")


@pytest.fixture(scope="module")
def pool():
    """One worker for the domains that ship."""
    with VerifierPool() as pool:
        yield pool


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A pool that is quick to lose patience, and the domain that does what answers say."""
    install(tmp_path, monkeypatch)
    with VerifierPool(timeout_s=1.0, load_timeout_s=30.0, memory_mb=1024) as pool:
        yield pool


def request(task, actions):
    """Actions as an answer."""
    return VerifyRequest(task, tuple(Step("So.", action) for action in actions))


def toy_task():
    """The first counting task."""
    return find_domain("toy").tasks("short", "train", 1)[0]


def episodes(name, levels, count):
    """Honest requests: the planner's episodes with the passages it needs."""
    domain = find_domain(name)
    for level in levels:
        for task in domain.tasks(level, "train", count):
            needed = domain.gold_passages(task)
            lore = [passage for passage in domain.lore() if passage.passage_id in needed]
            yield VerifyRequest.of(task, played(domain, task, lore))


def test_honest_answers_pass(pool):
    reasoning = [f"{family}-{d}" for family in REASONING for d in ("easy", "medium", "hard")]
    honest = [*episodes("reasoning", reasoning, 21), *episodes("cooking", ("easy", "hard"), 6)]
    outcomes = pool.outcomes(honest)
    assert len(honest) >= 200
    assert sum(outcome.solved for outcome in outcomes) >= 0.99 * len(honest)
    assert all(len(o.proof) == len(r.steps) + 1 for r, o in zip(honest, outcomes, strict=True))


@pytest.mark.parametrize(
    ("name", "level"),
    [("reasoning", f"{family}-easy") for family in REASONING] + [("cooking", "medium")],
)
def test_reward_hacks_score_nothing(pool, name, level):
    domain = find_domain(name)
    task = domain.tasks(level, "train", 1)[0]
    corpus = hacks(task, domain.gold_actions(task))
    for student in (False, True):
        asked = [replace(request(task, actions), student=student) for actions in corpus.values()]
        outcomes = zip(corpus, pool.outcomes(asked), strict=True)
        assert not [hack for hack, o in outcomes if o.solved or o.score >= 1]
    assert len(corpus) >= 100


@pytest.mark.parametrize("level", ["chain_sum-easy", "gsm_symbolic-easy"])
def test_tricks_with_numbers_score_nothing(pool, level):
    domain = find_domain("reasoning")
    task = domain.tasks(level, "train", 1)[0]
    corpus = number_hacks(domain.gold_actions(task)[-1].removeprefix("answer: "))
    outcomes = pool.outcomes([request(task, actions) for actions in corpus.values()])
    assert not [hack for hack, o in zip(corpus, outcomes, strict=True) if o.solved]


def test_outcomes_keep_their_order_over_several_workers(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    domain = find_domain("toy")
    tasks = domain.tasks("short", "train", 40)
    asked = [request(t, domain.gold_actions(t)[: 3 - n % 2]) for n, t in enumerate(tasks)]
    with VerifierPool(workers=2) as pool:
        assert [o.solved for o in pool.outcomes(asked)] == [n % 2 == 0 for n in range(40)]


def test_short_verdicts_are_fast(toy):
    task = toy_task()
    asked = [request(task, find_domain("toy").gold_actions(task))] * 1000
    toy.outcomes(asked[:10])
    started = time.perf_counter()
    assert all(outcome.solved for outcome in toy.outcomes(asked))
    assert 1000 / (time.perf_counter() - started) >= 500


FORGE = (
    "import os, fcntl; [os.write(n, b'%s') for n in range(3, 20)"
    " if os.path.exists(f'/dev/fd/{n}') and fcntl.fcntl(n, fcntl.F_GETFL) & 3 == os.O_WRONLY]"
)
FRAME = (
    '{"nonce":"00","verdict":{"solved":true,"score":1,"reason":"","failed_step":null,"proof":[]}}'
)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; os._exit(0)", id="os-exit-0"),
        pytest.param("raise SystemExit(0)", id="sys-exit-0"),
        pytest.param("raise KeyboardInterrupt", id="interrupt"),
        pytest.param("raise RecursionError", id="recursion"),
        pytest.param(f"print('{FRAME}', flush=True)", id="printed-verdict"),
        pytest.param("import os; os.write(1, b'x'); os.write(2, b'x')", id="writes-to-streams"),
        pytest.param(FORGE % (rf"\0\0\0\x{len(FRAME):02x}" + FRAME), id="forged-frame"),
        pytest.param(FORGE % r"\xff\xff\xff\xff", id="giant-frame"),
        pytest.param(FORGE % "rubbish rubbish rubbish", id="rubbish-frame"),
        pytest.param("import os; os.closerange(0, 100)", id="closes-descriptors"),
        pytest.param("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", id="crash"),
        pytest.param("x = 'A' * (3 << 30)", id="memory"),
        pytest.param("while True: pass", id="endless-loop"),
        pytest.param("import time; time.sleep(60)", id="sleeps"),
        pytest.param(
            "import tempfile; tempfile.TemporaryFile().write(bytes(1 << 27))", id="fills-the-disk"
        ),
        pytest.param("import os; os.fork()", id="fork-answers-twice"),
    ],
)  # fmt: skip
def test_code_that_runs_in_the_worker_scores_nothing(toy, code):
    task = toy_task()
    honest = request(task, find_domain("toy").gold_actions(task))
    hack = request(task, [f"do {code}", "say 0"])
    outcomes = toy.outcomes([hack, honest])
    assert [(o.solved, o.score) for o in outcomes] == [(False, 0.0), (True, 1.0)]


def processes_with(mark):
    """Ids of the live processes with this in their command line."""

    def lines():
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    yield int(folder.name)
            except OSError:
                continue

    return [pid for pid in lines() if pid != os.getpid()]


SPAWN = "import subprocess as s; s.Popen(['sleep', '%s'], start_new_session=%s).wait()"


@pytest.mark.parametrize("escapes", [False, True])
def test_no_orphan_process_survives_a_timeout(toy, escapes):
    mark = f"{1000 + os.getpid()}.{int(escapes)}25"
    outcome = toy.outcomes([request(toy_task(), [f"do {SPAWN % (mark, escapes)}"])])[0]
    worker = toy._workers[0]
    if escapes and not worker.isolated:
        pytest.skip("the kernel gives no process namespace here")
    assert "no verdict within 1 s" in outcome.reason
    assert not wait_until(lambda: not processes_with(mark))


def wait_until(condition, seconds=5.0):
    """The last 'not yet' or None once the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return "not yet"
        time.sleep(0.01)
    return None


def test_the_worker_dies_with_its_pool(toy):
    toy.outcomes([request(toy_task(), [])])
    worker = toy._workers[0]._end.peek()[2][0].pid
    toy.close()
    assert not Path(f"/proc/{worker}").exists()


DYING_PARENT = """
import os, sys
from goldsmith.tasks.framing import encode, write_frame
from goldsmith.tasks.verification import VerifierPool
sys.path.insert(0, sys.argv[1])
worker = VerifierPool()._workers[0]
worker._start()
task = dict(task_id="t", domain="toy", level="short", split="train", seed=0, prompt="", data={"start": 0, "end": 3})
steps = [("So.", "do import time; time.sleep(600)", ())]
write_frame(worker._request_fd, encode(dict(kind="verify", domain="toy", nonce="", timeout_s=600, task=task, steps=steps, passages=(), student=False)))
print(worker._end.peek()[2][0].pid, flush=True)
os.kill(os.getpid(), 9)
"""  # noqa: E501 - a program


def test_a_busy_worker_dies_with_its_parent(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    done = subprocess.run(
        [sys.executable, "-c", DYING_PARENT, tmp_path], capture_output=True, text=True, check=False
    )
    assert not wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists())


def test_the_worker_has_no_network_and_a_bare_environment(toy, monkeypatch):
    monkeypatch.setenv("GOLDSMITH_SECRET_FOR_TEST", "x")
    code = "import os; assert 'GOLDSMITH_SECRET_FOR_TEST' not in os.environ; os._exit(3)"
    asked = request(toy_task(), [f"do {code}"])
    assert toy.outcomes([asked])[0].reason == "the verifier died on this answer"
    if toy._workers[0].isolated:
        net = "import socket; assert [n for _, n in socket.if_nameindex()] != ['lo']"
        reason = toy.outcomes([request(toy_task(), [f"do {net}"])])[0].reason
        assert reason == "the verifier raised an error on this answer"


GOOD = {"solved": True, "score": 1.0, "reason": "", "failed_step": None, "proof": ["aa"]}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"solved": 1}, id="number-for-truth"),
        pytest.param({"score": float("nan")}, id="nan"),
        pytest.param({"score": 2}, id="above-one"),
        pytest.param({"score": "1"}, id="text-score"),
        pytest.param({"failed_step": "0"}, id="text-step"),
        pytest.param({"proof": [1]}, id="number-proof"),
        pytest.param({"proof": ["a" * 1000]}, id="long-proof"),
        pytest.param({"reason": None}, id="no-reason"),
    ],
)
def test_a_malformed_verdict_is_none(change):
    assert read_verdict({"verdict": GOOD}).solved
    with pytest.raises(BrokenFrame):
        read_verdict({"verdict": {**GOOD, **change}})


def test_a_citation_is_checked_against_what_was_retrieved(toy):
    task = toy_task()
    steps = tuple(Step("So.", a, ("toy/rule",)) for a in find_domain("toy").gold_actions(task))
    lore = [Passage("toy/rule", "", "The next number is one more.")]
    passages = tuple((p.passage_id, p.text) for p in lore)
    outcomes = toy.outcomes([VerifyRequest(task, steps, passages), VerifyRequest(task, steps)])
    assert [outcome.solved for outcome in outcomes] == [True, False]


def test_an_unknown_domain_is_an_error_that_names_it(toy):
    task = toy_task()
    with pytest.raises(DomainError, match="nowhere"):
        toy.outcomes([request(type(task)("t", "nowhere", "easy", "train", 0, "p"), ["x"])])


def test_all_hacks_have_a_name():
    task = find_domain("reasoning").tasks("chain_sum-easy", "train", 1)[0]
    names = list(itertools.chain(hacks(task, ["a", "b", "c"]), number_hacks("4")))
    assert len(names) == len(set(names)) >= 60
