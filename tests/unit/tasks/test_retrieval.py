"""BM25 over a small lore pack."""

import pytest

from goldsmith.tasks.domain import Passage
from goldsmith.tasks.retrieval import LoreIndex, as_shown

PACK = [
    Passage("stove", "Frying", "Fry an ingredient with the stove."),
    Passage("oven", "Roasting", "Roast an ingredient with the oven."),
    Passage("knife", "Slicing", "Slice an ingredient with a knife."),
    Passage("weather", "Rain", "It rains in the garden."),
]


def ids(index: LoreIndex, query: str, k: int) -> list[str]:
    return [passage.passage_id for passage, _ in index.search(query, k)]


def test_the_passage_that_names_the_word_comes_first() -> None:
    hits = LoreIndex(PACK).search("how do I fry it", 3)
    assert hits[0][0].passage_id == "stove"
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


@pytest.mark.parametrize("query", ["roasted", "ROAST!", 'title:("roast', "roast AND"])
def test_a_query_is_words_and_never_a_query_language(query: str) -> None:
    assert ids(LoreIndex(PACK), query, 1) == ["oven"]


@pytest.mark.parametrize("query", ["", "???", "zzzz"])
def test_nothing_to_find_is_an_empty_answer(query: str) -> None:
    assert LoreIndex(PACK).search(query, 3) == []


def test_an_empty_pack_answers_nothing() -> None:
    assert LoreIndex([]).search("fry", 3) == []


def test_the_order_of_the_pack_does_not_matter() -> None:
    answers = [ids(LoreIndex(pack), "ingredient with", 3) for pack in (PACK, PACK[::-1])]
    assert answers[0] == answers[1]


def test_every_query_gets_its_best_passage_before_any_gets_its_second() -> None:
    found = LoreIndex(PACK).gather(["slice ingredient", "fry ingredient", "fry"], 2)
    assert [passage.passage_id for passage in found] == ["knife", "stove"]


def test_passages_are_shown_in_an_order_that_depends_on_the_task_and_not_on_their_rank() -> None:
    shown = {as_shown(pack, task_id="t1") for pack in (PACK, PACK[::-1])}
    assert len(shown) == 1
    assert len({as_shown(PACK, task_id=f"t{number}") for number in range(8)}) > 1
