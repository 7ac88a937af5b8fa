"""The router's page in a headless Chromium: ask, see who answered and why, watch the replicas."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.fixtures.browser import browser, chromium
from tests.fixtures.fake_engine import EngineSettings, FakeEngine
from tests.fixtures.routers import running_router
from tests.fixtures.serving import KEY, serving_values

needs_chromium = pytest.mark.skipif(chromium() is None, reason="no chromium on the PATH")
ADAPTER = "cook--aaaaaaaaaaaa"
ENGINE = EngineSettings(tokens=12, tpot_ms=5, slots=8)


@asynccontextmanager
async def console(folder):
    """The page of a router before two gold engines and a silver one; without a key so far."""
    async with AsyncExitStack() as stack:
        golds = [await stack.enter_async_context(FakeEngine(ENGINE)) for _ in range(2)]
        for engine in golds:
            engine.adapters[ADAPTER] = "/cook"
        silver = EngineSettings(models=("silver",), tokens=12)
        silvers = [await stack.enter_async_context(FakeEngine(silver))]
        urls = {"gold": [each.url for each in golds], "silver": [each.url for each in silvers]}
        router = await stack.enter_async_context(running_router(serving_values(urls)))
        await router.flip("gold", "cook", ADAPTER, epoch=3)
        page = await stack.enter_async_context(browser(chromium(), folder))
        await page.open(f"{router.url}/console")
        yield page, router, golds


def text(element):
    """JavaScript for an element's text."""
    return f"document.getElementById('{element}').textContent"


async def with_key(page):
    """Type the key, and wait until the page is allowed to look."""
    await page.fill("key", KEY)
    await page.until(f"{text('link')} === 'connected'")


@needs_chromium
def test_a_prompt_is_answered_and_the_page_says_by_whom_why_and_how_fast(tmp_path):
    async def run():
        async with console(tmp_path) as (page, _, _):
            await with_key(page)
            await page.fill("model", "gold")
            await page.evaluate("document.getElementById('send').click()")
            await page.until(f"{text('answer')}.includes('gold:11')")
            await page.until("!document.getElementById('send').disabled")
            assert await page.evaluate(text("tier")) == "gold"
            assert "You named the tier" in await page.evaluate(text("why"))
            assert (await page.evaluate(text("price"))).startswith("$")
            for output in ("predicted", "actual"):
                assert (await page.evaluate(text(output))).endswith(" ms")
            await page.until(f"{text('decisions')}.includes('gold')")
            assert page.complaints == [] or all("401" in each for each in page.complaints)

    asyncio.run(run())


@needs_chromium
def test_hints_reach_the_router_and_an_adapter_can_be_chosen(tmp_path):
    async def run():
        async with console(tmp_path) as (page, _, golds):
            await with_key(page)
            options = "[...document.getElementById('model').options].map((each) => each.value)"
            assert await page.evaluate(options) == ["auto", "gold", "gold/cook", "silver"]
            await page.fill("model", "gold/cook")
            await page.fill("tokens", "3")
            await page.evaluate("document.getElementById('send').click()")
            await page.until(f"{text('answer')}.includes('{ADAPTER}:2')")
            assert await page.evaluate(text("version")) == ADAPTER
            seen = [each for engine in golds for each in engine.generated()]  # two if hedged
            assert {each.body["max_tokens"] for each in seen} == {3}
            await page.until("!document.getElementById('send').disabled")
            await page.fill("quality", "0.99")
            await page.fill("model", "auto")
            await page.evaluate("document.getElementById('send').click()")
            await page.until(f"{text('why')}.includes('quality')")

    asyncio.run(run())


@needs_chromium
def test_the_page_shows_replicas_budget_and_adapters_and_a_replica_that_dies(tmp_path):
    async def run():
        async with console(tmp_path) as (page, _, golds):
            await with_key(page)
            wells = "document.querySelectorAll('#tiers .dot.well').length"
            await page.until(f"{wells} === 3")
            assert ADAPTER in await page.evaluate(text("tiers"))
            assert "epoch 3" in await page.evaluate(text("tiers"))
            assert "no limit" in await page.evaluate(text("budget"))
            await golds[0].die()
            await page.until(f"{wells} === 2")

    asyncio.run(run())


@needs_chromium
def test_a_page_without_a_key_says_so_and_keeps_the_key_in_its_tab_only(tmp_path):
    async def run():
        async with console(tmp_path) as (page, _, _):
            await page.until(f"{text('link')}.includes('credential')")
            await page.evaluate("document.getElementById('send').click()")
            await page.until(f"{text('answer')}.includes('credential')")
            await with_key(page)
            assert await page.evaluate("sessionStorage.getItem('goldsmith-key')") == KEY
            assert await page.evaluate("localStorage.length + document.cookie.length") == 0

    asyncio.run(run())


@needs_chromium
def test_the_page_asks_only_its_own_router_and_fits_small_and_dark_screens(tmp_path):
    async def run():
        async with console(tmp_path) as (page, router, _):
            await with_key(page)
            entries = "performance.getEntriesByType('resource').map((each) => each.name)"
            for address in await page.evaluate(entries):
                assert address.startswith((router.url, "data:")), address
            light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            await page.dark(True)
            assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light
            await page.picture(tmp_path / "small.png", width=400, height=800)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 400

    asyncio.run(run())


def test_the_page_is_one_file_without_addresses_of_others():
    from importlib.resources import files

    page = files("goldsmith.serving.router").joinpath("console.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "localStorage" not in page
