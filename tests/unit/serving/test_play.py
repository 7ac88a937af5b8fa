"""A served model plays: step by step with the environment, or with one answer for all steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from goldsmith.rollouts.episodes import Opening
from goldsmith.serving.engines import Request, open_engine
from goldsmith.serving.play import Played, parse_plan, play_at_once, play_steps
from goldsmith.tasks.transcript import Step, Transcript
from tests.fixtures.data.toy_domain import ToyDomain

REQUEST = Request(model="gold", max_tokens=64)


def say(number: int) -> str:
    return f"<think>next is {number}</think>say {number}"


def play(
    answers: Sequence[str], *, at_once: bool = False, reason: str = "stop"
) -> tuple[Played, list[dict[str, Any]]]:
    """Count from 2 to 5 with a model that gives these answers; also what it was asked."""
    asked: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": answers[len(asked) - 1]},
            "finish_reason": reason,
        }
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        return web.json_response({"model": "gold", "choices": [choice], "usage": usage})

    async def run() -> Played:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(application, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        domain = ToyDomain()
        task = domain.tasks("short", "test", 1)[0]
        opening = Opening(task, Transcript(task.prompt, (), "2 was said."))
        way = play_at_once if at_once else play_steps
        async with aiohttp.ClientSession() as session:
            engine = open_engine("builtin", f"http://{host}:{port}", session)
            played = await way(engine, domain, opening, request=REQUEST, max_turns=5)
        await runner.cleanup()
        return played

    return asyncio.run(run()), asked


def test_model_sees_each_observation_before_its_next_step() -> None:
    played, asked = play([say(3), say(4), say(5)])
    assert played.solved and played.legal and not played.malformed
    assert played.actions == ["say 3", "say 4", "say 5"]
    assert [message["content"] for message in asked[2]["messages"]] == [
        "Count from 2 to 5.\n2 was said.",
        say(3),
        "3 was said.",
        say(4),
        "4 was said.",
    ]


def test_whole_plan_is_played_from_one_answer() -> None:
    played, asked = play(["\n".join(map(say, (3, 4, 5)))], at_once=True)
    assert played.solved and len(asked) == 1
    assert ToyDomain().outcome(played.task, played.actions).solved


def test_inadmissible_command_ends_the_game() -> None:
    played, asked = play([say(3), say(9), say(4)])
    assert not played.solved and not played.legal
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("say 3", "stop", id="no monologue"),
        pytest.param(say(3), "length", id="cut off"),
    ],
)
def test_answer_out_of_form_ends_the_game(text: str, reason: str) -> None:
    played, asked = play([text], reason=reason)
    assert played.malformed and not played.actions and len(asked) == 1


def test_plan_is_kept_up_to_its_first_mistake() -> None:
    steps, whole = parse_plan(say(3) + "<think>hm</think>", finished=True)
    assert steps == [Step("next is 3", "say 3")] and not whole
    assert parse_plan("", finished=True) == ([], False)
    assert parse_plan(f"{say(3)}\n{say(4)}", finished=False)[0] == [Step("next is 3", "say 3")]
