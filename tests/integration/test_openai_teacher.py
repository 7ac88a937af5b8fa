"""Role B behind an OpenAI-compatible endpoint: good, slow, down, and every kind of rubbish."""

import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from goldsmith.collaboration.attempts import Bounds, Roles, attempt_tasks
from goldsmith.collaboration.lore_retriever import LoreRetriever
from goldsmith.collaboration.tally import Tally
from goldsmith.collaboration.teacher_planner import EndpointTeacher, write_step
from goldsmith.collaboration.verifier import Verifier
from goldsmith.errors import TeacherError
from goldsmith.tasks.cooking.domain import CookingDomain
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.transcript import Step, Transcript, Turn

DOMAIN = CookingDomain()
TASK = DOMAIN.tasks("medium", "train", 1)[0]
SIGHT = Transcript(TASK.prompt, (("lore-0001", "an old saying."),), "you carry nothing.")
GUARD = Guard("cooking", "a test", 60)


@contextmanager
def endpoint(answer):
    """A local server: `answer(number, body)` gives (status, bytes); yields (url, requests)."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            bodies.append((self.path, dict(self.headers), json.loads(self.rfile.read(length))))
            status, data = answer(len(bodies), bodies[-1][2])
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(BrokenPipeError):  # a client that ran out of patience
                self.wfile.write(data)

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def chat(text):
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def teacher(url, timeout_s=10.0):
    return EndpointTeacher(url, "bronze", timeout_s=timeout_s, pause_s=0.0)


def ask(url, **kwargs):
    return teacher(url, **kwargs).next_step(SIGHT, reasons=["step 2: no"], guard=GUARD)


def as_transcript(body):
    """What the endpoint was told, read back from its chat messages."""
    _, first, *rest = body["messages"]
    prompt, lore, *others = first["content"].split("\n\n")
    passages = [line[1:].split("] ", 1) for line in lore.splitlines()[1:]]
    turns = tuple(
        Turn(Step("x", json.loads(said["content"])["action"]), seen["content"])
        for said, seen in zip(rest[::2], rest[1::2], strict=True)
    )
    return Transcript(prompt, tuple((i, text) for i, text in passages), others[-1], turns)


def test_an_endpoint_that_plans_well_writes_an_accepted_trajectory():
    def plan(_, body):
        return 200, chat(write_step(DOMAIN.planner().next_step(as_transcript(body))))

    with endpoint(plan) as (url, bodies), Verifier(timeout_s=60) as verifier:
        retriever, bounds = LoreRetriever(DOMAIN.lore(), 8), Bounds(3, 40, 60)
        roles = Roles(DOMAIN, retriever, teacher(url), verifier, bounds, Tally(1))
        (tries,) = attempt_tasks(roles, [TASK])
    assert tries[-1].accepted
    path, _, body = bodies[0]
    assert (path, body["model"], body["temperature"]) == ("/v1/chat/completions", "bronze", 0)


def test_the_endpoint_is_told_task_lore_reasons_and_sight(monkeypatch):
    monkeypatch.setenv("GOLDSMITH_TEACHER_API_KEY", "k1")
    with endpoint(lambda *_: (200, chat(write_step(Step("a", "look"))))) as (url, bodies):
        assert ask(url) == Step("a", "look")
    _, headers, body = bodies[0]
    assert headers["Authorization"] == "Bearer k1"
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    told = body["messages"][1]["content"]
    for part in (TASK.prompt, "[lore-0001] an old saying.", "- step 2: no", "you carry nothing."):
        assert part in told


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("I would open the fridge.", id="prose"),
        pytest.param("[1, 2]", id="list"),
        pytest.param('{"action": "look"}', id="no-reasoning"),
        pytest.param('{"reasoning": "a", "action": ""}', id="no-action"),
        pytest.param('{"reasoning": "a", "action": "open\\nfridge"}', id="two-lines"),
        pytest.param('{"reasoning": "a", "action": 7}', id="number"),
        pytest.param('{"reasoning": "a", "action": "look", "citations": [1]}', id="odd-citation"),
        pytest.param('{"reasoning": "<think>", "action": "look"}', id="markup"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_rubbish_step_is_malformed_and_not_an_error(text):
    with endpoint(lambda *_: (200, chat(text))) as (url, bodies):
        assert ask(url) is None
    assert len(bodies) == 1


def test_a_code_fence_around_the_step_is_forgiven():
    fenced = f"```json\n{write_step(Step('a', 'look', ('lore-0001',)))}\n```"
    with endpoint(lambda *_: (200, chat(fenced))) as (url, _):
        assert ask(url) == Step("a", "look", ("lore-0001",))


def test_a_hiccup_is_tried_again():
    def hiccup(number, _):
        return (503, b"") if number < 3 else (200, chat(write_step(Step("a", "look"))))

    with endpoint(hiccup) as (url, bodies):
        assert ask(url) == Step("a", "look")
    assert len(bodies) == 3


@pytest.mark.parametrize(
    ("answer", "tries", "why"),
    [
        pytest.param((500, b"oops"), 3, "HTTP 500 (3 tries)", id="broken"),
        pytest.param((401, b"{}"), 1, "HTTP 401; check teacher_url, teacher_model", id="no-key"),
        pytest.param((404, b"{}"), 1, "HTTP 404", id="wrong-path"),
        pytest.param((200, b"<html>hi</html>"), 1, "no chat completion", id="web-page"),
        pytest.param((200, b'{"choices": []}'), 1, "no chat completion", id="no-choice"),
        pytest.param((200, b'{"choices": [{"message": null}]}'), 1, "no chat", id="no-message"),
        pytest.param((200, b"x" * 1_100_000), 3, "more than 1000000 bytes", id="endless"),
    ],
)
def test_an_endpoint_that_is_none_is_one_clear_error(answer, tries, why):
    with endpoint(lambda *_: answer) as (url, bodies), pytest.raises(TeacherError) as raised:
        ask(url)
    assert why in str(raised.value)
    assert url in str(raised.value)
    assert len(bodies) == tries


def test_a_slow_endpoint_is_given_up_after_bounded_tries():
    over = threading.Event()

    def wait(*_):
        over.wait(30)
        return 200, b"{}"

    with endpoint(wait) as (url, bodies), pytest.raises(TeacherError) as raised:
        try:
            ask(url, timeout_s=0.1)
        finally:
            over.set()
    assert "no answer within 0.1 s (3 tries)" in str(raised.value)
    assert len(bodies) == 3


def test_an_endpoint_that_is_down_is_one_clear_error():
    with endpoint(lambda *_: (200, b"")) as (url, _):
        pass
    with pytest.raises(TeacherError, match=r"3 tries.*check collaborate.teacher_url"):
        ask(url)


def test_a_url_that_is_none_is_one_clear_error():
    with pytest.raises(TeacherError, match="teacher_url"):
        ask("not a url")
