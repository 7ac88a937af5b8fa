"""The router as its clients see it."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from goldsmith.serving.router.api_schemas import ROUTE
from goldsmith.serving.router.wire import Link
from tests.fixtures.router import (
    CHAT,
    TEXT,
    TestRouter,
    chat_body,
    engine,
    events_of,
    running_router,
    until,
)
from tests.fixtures.serving import KEY, OTHER_KEY

THREE = {tier: [engine(tier)] for tier in ("gold", "silver", "bronze")}


def client(router: TestRouter, **more: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=KEY, max_retries=0, **more)


def test_the_openai_client_is_answered() -> None:
    async def run() -> None:
        async with running_router() as router, client(router) as asking:
            names = [model.id async for model in asking.models.list()]
            assert names == ["auto", "gold"]
            message: Any = [{"role": "user", "content": "look"}]
            answer = await asking.chat.completions.create(model="gold", messages=message)
            assert answer.choices[0].message.content == "".join(f"gold:{i} " for i in range(8))
            text = await asking.completions.create(model="gold", prompt="look", max_tokens=2)
            assert text.choices[0].text == "gold:0 gold:1 "
            stream = await asking.chat.completions.create(
                model="gold", messages=message, stream=True, max_tokens=3
            )
            parts = [part.choices[0].delta.content or "" async for part in stream]
            assert "".join(parts) == "gold:0 gold:1 gold:2 "
            with pytest.raises(openai.NotFoundError, match=r"did you mean gold\?"):
                await asking.chat.completions.create(model="golf", messages=message)
            with pytest.raises(openai.AuthenticationError):
                await asking.with_options(api_key="wrong").models.list()

    asyncio.run(run())


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_engine_s_bytes_pass_untouched(stream: bool) -> None:
    async def run() -> None:
        async with running_router() as router:
            body = chat_body(
                stream=stream, **({"stream_options": {"include_usage": True}} if stream else {})
            )
            through = await router.chat(**{k: v for k, v in body.items() if k != "messages"})
            number = router.engines["gold"][0].number
            url = router.engines["gold"][0].url + CHAT
            router.engines["gold"][0].number = number - 1  # it gives the same answer again
            async with router.session.post(url, json=body) as response:
                assert through.body == await response.read()

    asyncio.run(run())


def test_usage_that_was_not_asked_for_is_billed_and_not_shown() -> None:
    async def run() -> None:
        async with running_router() as router:
            reply = await router.chat(stream=True, max_tokens=3)
            events = events_of(reply.body)
            assert events[-1] == "[DONE]"
            assert not any("usage" in each for each in events[:-1])
            await until(lambda: router.core.metrics.tokens["gold", "out"] == 3)

    asyncio.run(run())


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_answer_tells_its_route(stream: bool) -> None:
    async def run() -> None:
        async with running_router(THREE) as router:
            reply = await router.chat("auto", stream=stream)
            assert all(name in reply.headers for name in ROUTE)
            assert reply.headers["X-Route-Tier"] == "gold"
            assert reply.headers["X-Route-Reason"] == "cheapest"
            assert float(reply.headers["X-Route-TTFT-Ms"]) > 0
            assert "127.0.0.1" not in str(reply.headers)

    asyncio.run(run())


def test_hints_choose_the_tier() -> None:
    async def run() -> None:
        async with running_router(THREE) as router:
            better = await router.chat("auto", headers={"X-Min-Quality": "0.9"})
            assert better.headers["X-Route-Tier"] == "bronze"
            dear = await router.chat(headers={"X-Max-Cost": "0.0000001"}, max_tokens=100)
            assert (dear.status, dear.error["code"]) == (400, "max_cost")

    asyncio.run(run())


def test_engines_get_what_they_may_see() -> None:
    async def run() -> None:
        async with running_router() as router:
            parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
            headers = {"X-Request-Id": "http://evil/", "traceparent": parent, "Cookie": "a=b"}
            await router.chat(user="someone", headers=headers)
            seen = router.engines["gold"][0].generated()[0]
            assert seen.body == chat_body("gold")
            assert seen.headers["traceparent"] == parent
            assert not seen.headers.keys() & {"authorization", "x-request-id", "cookie"}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("POST", "/v1/embeddings", 404, "unknown_route", id="other route"),
        pytest.param("POST", "/v1%2fchat/completions", 404, "unknown_route", id="encoded slash"),
        pytest.param("POST", "/v1/chat/../chat/completions", 404, "unknown_route", id="dots"),
        pytest.param("POST", "//v1/chat/completions", 404, "unknown_route", id="double slash"),
        pytest.param("GET", "/metrics", 404, "unknown_route", id="metrics"),
        pytest.param("PUT", "/admin/weights", 404, "unknown_route", id="admin"),
        pytest.param("GET", "/v1/chat/completions", 405, "wrong_method", id="method"),
        pytest.param("GET", "/v1/jobs/none", 404, "jobs_off", id="jobs off"),
        pytest.param("GET", "/v2/models/none", 404, "model_not_found", id="v2 model"),
    ],
)
def test_other_routes_answer_in_openai_s_shape(
    method: str, path: str, status: int, code: str
) -> None:
    async def run() -> None:
        from yarl import URL

        async with running_router() as router:
            url = URL(router.url + path, encoded=True)
            async with router.session.request(method, url, json={}) as response:
                error = (await response.json())["error"]
                assert (response.status, error["code"]) == (status, code)
                assert error["message"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"{", 400, "invalid_json", id="not JSON"),
        pytest.param(b"[]", 400, "invalid_json", id="not an object"),
        pytest.param(b'{"model": "\xff"}', 400, "invalid_json", id="not UTF-8"),
        pytest.param(chat_body("golf"), 404, "model_not_found", id="unknown model"),
        pytest.param(chat_body("gold/cook"), 404, "model_not_found", id="unknown adapter"),
        pytest.param(chat_body(max_tokens=9000), 400, "context_length_exceeded", id="too long"),
        pytest.param(chat_body(best_of=2), 400, "unknown_field", id="unknown field"),
        pytest.param(chat_body(user="x" * 2000), 413, "body_too_large", id="too large"),
    ],
)
def test_a_request_that_makes_no_sense_says_why(body: Any, status: int, code: str) -> None:
    async def run() -> None:
        async with running_router(router={"max_body_bytes": 1500}) as router:
            reply = await router.request("POST", CHAT, body)
            assert (reply.status, reply.error["code"]) == (status, code)
            assert reply.error.keys() == {"message", "type", "param", "code"}
            assert router.engines["gold"][0].generated() == []
            assert router.in_flight() == 0

    asyncio.run(run())


def test_a_chunked_body_is_bounded_too() -> None:
    async def run() -> None:
        async with running_router(router={"max_body_bytes": 1500}) as router:

            async def parts() -> Any:
                for _ in range(100):
                    yield b" " * 100

            headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
            url = router.url + CHAT
            async with router.session.post(url, data=parts(), headers=headers) as response:
                assert response.status == 413

    asyncio.run(run())


def test_headers_without_end_are_cut_off() -> None:
    async def run() -> None:
        async with running_router() as router:
            port = router.server.public.port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nx: ")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError, EOFError)):
                for _ in range(1000):
                    writer.write(b"a" * 10_000)
                    await writer.drain()
                    if reader.at_eof():
                        raise EOFError
            writer.close()

    asyncio.run(run())


def test_chunks_of_a_stream_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[bool] = []
    write_chunk = Link.write_chunk

    def spy(link: Link, data: bytes) -> bool:
        went.append(write_chunk(link, data))
        return went[-1]

    monkeypatch.setattr(Link, "write_chunk", spy)

    async def run() -> None:
        async with running_router() as router:
            for _ in range(2):  # on one connection
                assert (await router.chat(stream=True)).status == 200

    asyncio.run(run())
    assert len(went) >= 2 and all(went)


def test_an_answer_without_a_body_comes_at_once() -> None:
    async def run() -> None:
        async with running_router() as router, asyncio.timeout(5):
            reply = await router.request("HEAD", "/v1/models")
            assert (reply.status, reply.body) == (405, b"")
            assert (await router.chat()).status == 200

    asyncio.run(run())


def test_a_client_that_asks_before_it_sends_its_body_may() -> None:
    async def run() -> None:
        async with running_router() as router, asyncio.timeout(5):
            assert (await router.chat(headers={"Expect": "100-continue"})).status == 200

    asyncio.run(run())


def test_a_refusal_of_the_engine_reaches_the_client_in_its_own_words() -> None:
    async def run() -> None:
        async with running_router(tiers={"gold": [engine("other")]}) as router:
            reply = await router.chat()  # the engine knows no such model
            assert reply.status == 502
            assert router.in_flight() == 0

    asyncio.run(run())


def test_limits_refuse_with_the_time_to_come_back() -> None:
    async def run() -> None:
        from tests.fixtures.serving import TENANT, key

        limited = {"keys": [key(KEY, TENANT, requests_per_minute=2), key(OTHER_KEY, TENANT)]}
        async with running_router(credentials=limited) as router:
            statuses = [(await router.chat()).status for _ in range(2)]
            late = await router.chat()
            assert statuses == [200, 200]
            assert (late.status, late.error["code"]) == (429, "rate_limit_exceeded")
            assert 25 <= int(late.headers["Retry-After"]) <= 30
            assert (await router.chat(key=OTHER_KEY)).status == 200

    asyncio.run(run())


def test_the_tenant_s_day_is_over_when_its_money_is_spent() -> None:
    async def run() -> None:
        from tests.fixtures.serving import TENANT, key

        keys = {"keys": [key(KEY, TENANT)], "tenants": {TENANT: {"usd_per_day": 1e-5}}}
        async with running_router(credentials=keys) as router:
            codes = []
            for _ in range(6):
                reply = await router.chat(max_tokens=8)
                codes.append(reply.error["code"] if reply.status == 429 else reply.status)
            assert codes[0] == 200
            assert codes[-1] == "budget_exhausted"
            spent = router.core.credentials.tenants[TENANT].spent_usd
            assert 1e-5 <= spent <= 1e-5 + 8 * 0.4e-6 + 1e-6

    asyncio.run(run())


def test_the_console_shows_a_caller_its_own_decisions() -> None:
    async def run() -> None:
        async with running_router() as router:
            await router.chat()
            mine = (await router.request("GET", "/console/state")).json()
            other = (await router.request("GET", "/console/state", key=OTHER_KEY)).json()
            nobody = await router.request("GET", "/console/state", key="")
            assert [each["tier"] for each in mine["decisions"]] == ["gold"]
            assert mine["tiers"]["gold"]["replicas"][0]["healthy"]
            assert other["decisions"] == []
            assert nobody.status == 401
            assert "127.0.0.1" not in str(mine)
            assert "look around" not in str(mine)
            page = await router.request("GET", "/console", key="")
            assert b"<html" in page.body

    asyncio.run(run())


def test_the_v2_protocol_answers_a_tensor() -> None:
    async def run() -> None:
        async with running_router() as router:
            tensor = {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["look"]}
            body = {"id": "7", "inputs": [tensor], "parameters": {"max_tokens": 2}}
            reply = await router.request("POST", "/v2/models/gold/infer", body)
            assert reply.json()["outputs"][0]["data"] == ["gold:0 gold:1 "]
            assert (await router.request("GET", "/v2/models/gold/ready", key="")).status == 200
            assert (await router.request("GET", "/v2/health/ready", key="")).status == 200
            wrong = await router.request("POST", "/v2/models/gold/infer", {"inputs": []})
            assert wrong.status == 400

    asyncio.run(run())


def test_metrics_tell_what_happened() -> None:
    async def run() -> None:
        async with running_router() as router:
            await router.chat()
            await router.chat("golf")
            text = (await router.request("GET", "/metrics", admin=True)).body.decode()
            assert 'goldsmith_router_requests_total{status="200",tier="gold"} 1.0' in text
            assert 'goldsmith_router_sheds_total{code="model_not_found"} 1.0' in text
            assert 'goldsmith_router_tokens_total{direction="out",tier="gold"} 8.0' in text

    asyncio.run(run())


def test_a_prompt_leaves_its_features_to_the_brain_only_for_auto() -> None:
    async def run() -> None:
        async with running_router(THREE) as router:
            read = router.core.reader.read
            asks: list[Any] = []

            def spy(*args: Any, **more: Any) -> Any:
                asks.append(read(*args, **more))
                return asks[-1]

            router.core.reader.read = spy
            await router.chat("auto")
            await router.chat("gold")
            assert asks[0].features
            assert asks[1].features == ()

    asyncio.run(run())


def test_completions_of_a_prompt_stream_too() -> None:
    async def run() -> None:
        async with running_router() as router:
            body = {"model": "gold", "prompt": "look", "stream": True, "max_tokens": 2}
            reply = await router.request("POST", TEXT, body)
            events = events_of(reply.body)
            assert [each["choices"][0]["text"] for each in events[:-1]] == ["gold:0 ", "gold:1 "]

    asyncio.run(run())
