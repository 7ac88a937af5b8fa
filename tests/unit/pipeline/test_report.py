"""The report of a whole run, of runs that stopped early, and of damaged ones."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from goldsmith.errors import RunError
from goldsmith.pipeline.report import build_report, write_report
from goldsmith.pipeline.runs import STEPS
from goldsmith.store.manifest import seal
from tests.unit.pipeline.example_run import HOSTILE, RUN_ID, write_run


class Page(HTMLParser):
    """The visible text of a page, its elements, and every address in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.addresses: list[str | None] = []
        self.ids: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"href", "src", "srcset", "action", "data", "poster"}:
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)
            assert not name.startswith("on"), name

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_report(write_run(tmp_path_factory.mktemp("run")), RUN_ID)


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param("Promoted", id="verdict"),
        pytest.param("target suite hard: +", id="reason"),
        pytest.param("It is live as gold version v-3f9c2a71d0be", id="version"),
        pytest.param("Identical model passes", id="power"),
        pytest.param("words: unseen", id="words"),
        pytest.param("Greedy [95%]", id="greedy"),
        pytest.param("chop", id="verb"),
        pytest.param("A found 5 passages by attempt 2; B's plan cites 3", id="lore that A found"),
        pytest.param("To brunoise an ingredient, dice it with a knife.", id="passage"),
        pytest.param("cook red onion with stove", id="plan"),
        pytest.param("To flambé is to fry, and the stove fries.", id="reasoning"),
        pytest.param("C refused attempt 1", id="refusal"),
        pytest.param("step 2: no passage says that flambé uses the oven", id="reason of C"),
        pytest.param("Proof: 7 state hashes", id="proof"),
        pytest.param("retrieved", id="lore arm"),
        pytest.param("Recall@8: A finds 91.0%", id="recall"),
        pytest.param("60 updates", id="SRL"),
        pytest.param("20 updates", id="RLVR"),
        pytest.param("16 games of each training task", id="readiness"),
        pytest.param("1 min 36 s", id="time"),
        pytest.param("$0.05 a core-hour", id="price"),
        pytest.param("datasets/cooking/0a1b2c3d", id="lineage"),
        pytest.param("goldsmith rollback gold", id="rollback"),
    ],
)
def test_the_page_tells(html: str, fact: str) -> None:
    assert fact in Page(html).text


def test_a_whole_run_misses_nothing(html: str) -> None:
    assert 'class="missing"' not in html


def test_the_page_loads_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert all(address.startswith("#") for address in page.addresses)
    assert "http://" not in html and "https://" not in html and "url(//" not in html
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(page.tags)
    assert "default-src 'none'" in html


def test_every_address_and_name_on_the_page_is_sound(html: str) -> None:
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(page.ids)


def test_hostile_text_is_shown_and_never_run(html: str) -> None:
    assert HOSTILE in Page(html).text
    assert "<script" not in html


def test_every_drawing_has_a_name_and_follows_the_style_sheet(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(drawings) >= 8
    for drawing in drawings:
        assert 'role="img" aria-label="' in drawing and "<title>" in drawing
        assert not re.search(r"#[0-9a-f]{6}\b(?!\))", drawing.replace('href="#', ""))
        assert "font-family" not in drawing


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    store = write_run(tmp_path, steps=4)
    assert build_report(store, RUN_ID) == build_report(store, RUN_ID)


@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_a_run_that_stopped_early_says_so_in_plain_sentences(tmp_path: Path, steps: int) -> None:
    text = Page(build_report(write_run(tmp_path, steps=steps), RUN_ID)).text
    assert text.count("not reached") == len(STEPS) - steps
    assert "cannot be shown" not in text and "cannot be read" not in text
    if steps < STEPS.index("quality_gate") + 1:
        assert f"This run has not been judged: {steps} of 8 steps are done." in text
        assert "This run has not finished quality_gate." in text


def test_a_run_that_failed_says_where_why_and_how_to_go_on(tmp_path: Path) -> None:
    store = write_run(tmp_path, steps=2)
    ended = {"status": "failed", "at_step": "train_srl", "cause": "no space left on device"}
    store.create(f"runs/{RUN_ID}/manifest.json", seal(ended))
    text = Page(build_report(store, RUN_ID)).text
    assert "It failed in train_srl: no space left on device." in text
    assert f"goldsmith run --resume {RUN_ID}" in text


def test_a_held_run_says_what_stays(tmp_path: Path) -> None:
    text = Page(build_report(write_run(tmp_path, gain=0.0), RUN_ID)).text
    assert "Held" in text and "not enough to replace the live model, which stays" in text


def test_a_damaged_part_costs_that_part_only(tmp_path: Path) -> None:
    store = write_run(tmp_path)
    damaged = {
        f"runs/{RUN_ID}/gate.json": "gate.json is damaged",
        f"runs/{RUN_ID}/scores.json": "scores.json is damaged",
        "datasets/cooking/0a1b2c3d/trajectories.jsonl": "trajectories.jsonl is damaged",
        f"runs/{RUN_ID}/metrics/train_srl.jsonl": "cannot be shown: JSONDecodeError",
    }
    for key in damaged:
        store.delete(key)
        store.create(key, b"{rubbish\n")
    text = Page(build_report(store, RUN_ID)).text
    assert all(sentence in text for sentence in damaged.values())
    assert "20 updates" in text and "goldsmith rollback gold" in text


def test_the_report_is_written_again_when_the_run_has_gone_on(tmp_path: Path) -> None:
    store = write_run(tmp_path, steps=1)
    key = f"runs/{RUN_ID}/report.html"
    store.create(key, b"an earlier one")
    assert write_report(store, RUN_ID) == f"{store.url}/{key}"
    assert b"1 of 8 steps" in store.get(key)


def test_a_run_that_does_not_exist_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run 'gold-1'"):
        build_report(write_run(tmp_path, steps=0), "gold-1")


def test_the_price_of_a_core_is_a_parameter(tmp_path: Path) -> None:
    store = write_run(tmp_path, steps=2)
    text = Page(build_report(store, RUN_ID, usd_per_core_hour=0.5)).text
    assert "$0.5 a core-hour" in text and "$0.0123" in text
