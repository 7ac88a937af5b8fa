"""What holds whatever engines and clients do (facts/kserve.md 1.8, invariants)."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fixtures.fake_engine import EngineSettings, FakeEngine, Fault
from tests.fixtures.routers import running_router
from tests.fixtures.serving import KEY, TENANT, authorization, key, serving_values

CHAT = "/v1/chat/completions"
OLD, NEW = "cook--aaaaaaaaaaaa", "cook--bbbbbbbbbbbb"
ENGINE = EngineSettings(tokens=6, tpot_ms=1.0, slots=3)
FAULTS = ("none", "slow", "error", "busy", "refuse", "reset", "hang", "flap", "drip")
EXPLAINED = {200, 429, 502, 503, 504}


@dataclass(frozen=True)
class Ask:
    """A request; `leaves_after` chunks the client goes (None: never, 0: before the first byte)."""

    model: str
    stream: bool
    leaves_after: int | None


@dataclass(frozen=True)
class Trouble:
    """An engine changes its behaviour."""

    engine: int
    fault: str


@dataclass(frozen=True)
class Flip:
    """The adapter's name turns to its other version."""


ASKS = st.builds(
    Ask,
    st.sampled_from(["gold", "gold/cook", "auto"]),
    st.booleans(),
    st.sampled_from([None, None, None, 0, 1, 3]),
)
TROUBLES = st.builds(Trouble, st.integers(0, 1), st.sampled_from([*FAULTS, "dead", "alive"]))
PLANS = st.lists(st.one_of(ASKS, ASKS, ASKS, TROUBLES, st.just(Flip())), min_size=4, max_size=30)


@dataclass
class Outcome:
    """What a client saw."""

    mark: str
    status: int
    version: str
    body: bytes
    left: bool


@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],  # a plan that fails waits seconds each time: no shrinking
    suppress_health_check=[HealthCheck.too_slow],
)
@given(PLANS)
def test_no_plan_of_faults_flips_and_leaving_clients_breaks_an_invariant(plan):
    asyncio.run(_play(plan))


async def _play(plan):
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(FakeEngine(ENGINE)) for _ in range(2)]
        values = serving_values(
            {"gold": [engine.url for engine in engines]},
            router={
                "first_byte_timeout_ms": 600,
                "idle_timeout_ms": 600,
                "connect_timeout_ms": 200,
            },
        )
        router = await stack.enter_async_context(running_router(values))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await _load(engines, router)
        outcomes = await _steps(plan, engines, router, session)
        for outcome in outcomes:
            _check_outcome(outcome)
            _check_engines(outcome, engines)
        await router.settled()
        deadline = time.monotonic() + 5
        while any(engine.running or engine.waiting for engine in engines):
            assert time.monotonic() < deadline, "an engine works for nobody"
            await asyncio.sleep(0.01)


async def _load(engines, router):
    """Both versions on every engine, and the old one live."""
    for engine in engines:
        engine.adapters.update({OLD: "/old", NEW: "/new"})
        router.vouch(engine.url, OLD, NEW)
    await router.flip("gold", "cook", OLD, epoch=1)


async def _steps(plan, engines, router, session):
    asks, epoch, versions = [], 1, (OLD, NEW)
    for number, step in enumerate(plan):
        match step:
            case Ask():
                asks.append(asyncio.create_task(_ask(step, f"mark-{number}", router, session)))
            case Flip():
                epoch += 1
                await router.flip("gold", "cook", versions[(epoch - 1) % 2], epoch=epoch)
            case Trouble(engine, "dead"):
                await engines[engine].die()
            case Trouble(engine, fault):
                await _change(engines[engine], fault, router)
        await asyncio.sleep(0.003)
    await asyncio.sleep(0.02)
    for engine in engines:
        await _change(engine, "alive", router)
    return await asyncio.gather(*asks)


async def _change(engine, fault, router):
    await engine.revive()
    engine.adapters.update({OLD: "/old", NEW: "/new"})
    router.vouch(engine.url, OLD, NEW)
    kind = "none" if fault == "alive" else fault
    engine.fault = Fault(kind, share=0.7, delay_s=0.05, period=2)


async def _ask(ask, mark, router, session):
    body = {"model": ask.model, "messages": [{"role": "user", "content": f"{mark} look"}]}
    body["max_tokens"] = ENGINE.tokens
    url, headers = f"{router.url}{CHAT}", authorization()
    if ask.leaves_after == 0:
        call = asyncio.ensure_future(
            session.post(url, json={**body, "stream": ask.stream}, headers=headers)
        )
        await asyncio.sleep(0.002)
        if call.cancel():
            await asyncio.wait([call])
        else:
            call.result().close()
        return Outcome(mark, 0, "", b"", left=True)
    async with session.post(url, json={**body, "stream": ask.stream}, headers=headers) as answer:
        parts = []
        version = answer.headers.get("X-Route-Version", "")
        async for part in answer.content.iter_any():
            parts.append(part)
            if ask.leaves_after is not None and len(parts) >= ask.leaves_after:
                answer.close()
                return Outcome(mark, answer.status, version, b"".join(parts), left=True)
    return Outcome(mark, answer.status, version, b"".join(parts), left=False)


def _check_outcome(outcome):
    """Explained errors, one version an answer, nothing after an error event."""
    if outcome.left:
        return
    assert outcome.status in EXPLAINED, outcome
    if outcome.status != 200:
        error = orjson.loads(outcome.body)["error"]
        assert error["message"] and error["type"], outcome
        return
    if outcome.body.startswith(b"data: "):
        events = outcome.body.decode().split("\n\n")
        errors = [index for index, event in enumerate(events) if event.startswith('data: {"error"')]
        assert errors or events[-2] == "data: [DONE]", outcome
        assert not errors or events[errors[0] + 1 :] == [""], outcome
        text = "".join(
            _text_of(event) for event in events if not event.startswith('data: {"error"')
        )
        whole = not errors
    else:
        text, whole = orjson.loads(outcome.body)["choices"][0]["message"]["content"], True
    writers = {token.rpartition(":")[0] for token in text.split()}
    assert writers <= {outcome.version}, outcome
    assert not whole or len(text.split()) == ENGINE.tokens, outcome


def _text_of(event):
    data = event.removeprefix("data: ")
    choices = orjson.loads(data)["choices"] if data.startswith("{") else []
    return choices[0]["delta"]["content"] if choices else ""


def _check_engines(outcome, engines):
    """One version over all tries, and none after the first byte."""
    rows = [
        row
        for engine in engines
        for row in engine.generated()
        if row.body["messages"][0]["content"].startswith(f"{outcome.mark} ")
    ]
    assert len({row.body["model"] for row in rows}) <= 1, rows
    begun = [row.ended_at for row in rows if row.fault == "reset" and row.body.get("stream")]
    if outcome.status == 200 and begun:
        assert all(row.at <= at for row in rows for at in begun), rows


@pytest.mark.parametrize(
    ("stream", "engine"),
    [
        pytest.param(True, EngineSettings(tokens=500, tpot_ms=10), id="in the middle of a stream"),
        pytest.param(
            False, EngineSettings(tokens=500, tpot_ms=10), id="while a whole answer is made"
        ),
        pytest.param(True, EngineSettings(prefill_tokens_per_s=0.1), id="before the first byte"),
    ],
)
def test_a_client_that_leaves_is_cancelled_upstream_within_100_ms(stream, engine):
    async def run():
        async with (
            FakeEngine(engine) as fake,
            running_router(serving_values({"gold": [fake.url]})) as router,
        ):
            took_s = [await _leave(fake, router, stream) for _ in range(3)]
            await router.settled()
        assert {seen.outcome for seen in fake.generated()} == {"cancelled"}
        assert min(took_s) < 0.1  # of three: a busy machine stalls one now and then

    asyncio.run(run())


async def _leave(fake, router, stream):
    """Ask, leave while the engine works on it; seconds until the engine knew."""
    fake.seen.clear()
    body = {"model": "gold", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    async with aiohttp.ClientSession() as session:
        url = f"{router.url}{CHAT}"
        call = asyncio.ensure_future(session.post(url, json=body, headers=authorization()))
        while not fake.generated():
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        left = time.monotonic()
        if call.done():
            call.result().close()
        else:
            call.cancel()
        (seen,) = fake.generated()
        while seen.ended_at is None:
            assert time.monotonic() - left < 5
            await asyncio.sleep(0.005)
        return seen.ended_at - left


def test_a_stream_that_breaks_after_its_first_byte_ends_with_an_error_and_is_not_sent_again():
    async def run():
        async with (
            FakeEngine(ENGINE, Fault("reset")) as one,
            FakeEngine(ENGINE, Fault("reset")) as two,
            running_router(serving_values({"gold": [one.url, two.url]})) as router,
            aiohttp.ClientSession() as session,
        ):
            outcome = await _ask(Ask("gold", True, None), "mark", router, session)
            assert outcome.status == 200
            assert outcome.body.count(b'data: {"error"') == 1
            assert b"[DONE]" not in outcome.body
            _check_outcome(outcome)
            assert len(one.generated()) + len(two.generated()) == 1

    asyncio.run(run())


def test_a_request_keeps_the_version_that_it_came_with_when_it_is_sent_again_after_a_flip():
    async def run():
        async with AsyncExitStack() as stack:
            engines = [
                await stack.enter_async_context(FakeEngine(ENGINE, Fault("hang"))) for _ in range(2)
            ]
            values = serving_values({"gold": [engine.url for engine in engines]})
            router = await stack.enter_async_context(running_router(values))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            await _load(engines, router)
            ask = asyncio.create_task(_ask(Ask("gold/cook", False, None), "mark", router, session))
            while not (held := [engine for engine in engines if engine.generated()]):
                assert not ask.done(), ask.result()
                await asyncio.sleep(0.005)
            await router.flip("gold", "cook", NEW, epoch=2)
            for engine in engines:
                engine.fault = Fault()
            await held[0].die()
            outcome = await ask
            assert (outcome.status, outcome.version) == (200, OLD)
            _check_outcome(outcome)
            _check_engines(outcome, engines)
            later = await _ask(Ask("gold/cook", False, None), "later", router, session)
            assert (later.status, later.version) == (200, NEW)

    asyncio.run(run())


def test_the_spending_of_a_key_goes_over_its_budget_by_at_most_one_request():
    async def run():
        engine = EngineSettings(tokens=50, tpot_ms=0.2)
        async with FakeEngine(engine) as fake, aiohttp.ClientSession() as session:
            values = serving_values({"gold": [fake.url]})
            values["tiers"]["gold"] |= {"price_in": 0.0, "price_out": 1000.0}
            limit_usd, one_usd = 1.02, 0.05
            values["credentials"] = {"keys": [key(KEY, TENANT, usd_per_day=limit_usd)]}
            async with running_router(values) as router:
                spent_usd, refused = 0.0, 0
                body = {"model": "gold", "prompt": "x", "max_tokens": 50}

                async def ask():
                    nonlocal spent_usd, refused
                    url = f"{router.url}/v1/completions"
                    async with session.post(url, json=body, headers=authorization()) as answer:
                        found = await answer.json()
                        if answer.status == 200:
                            spent_usd += found["usage"]["completion_tokens"] / 1000
                        else:
                            assert answer.status == 429
                            assert found["error"]["code"] == "budget_exhausted"
                            refused += 1

                for _ in range(10):
                    await asyncio.gather(*(ask() for _ in range(6)))
                assert refused
                assert limit_usd - one_usd <= spent_usd <= limit_usd + one_usd

    asyncio.run(run())
