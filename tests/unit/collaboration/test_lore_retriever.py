"""Role A searches, and searches again for what C says is missing."""

from goldsmith.collaboration.lore_retriever import LoreRetriever
from goldsmith.tasks.domain import Passage

TEXTS = {
    "p1": "to glaisten, roast the food with the oven.",
    "p2": "my aunt would glaisten each monday.",
    "p3": "if a recipe says ombrate, dice it with the knife.",
    "p4": "they ombrate the carrot at the feast of holm.",
    "p5": "the miller painted the tower green.",
}
PACK = [Passage(name, "", text) for name, text in TEXTS.items()]
MISSING = "step 2: no cited passage; no passage says what it means for food when a recipe says "


def ids(passages):
    return [passage.passage_id for passage in passages]


def test_search_returns_scored_passages_best_first():
    found = LoreRetriever(PACK, 3).search("glaisten food", 3)
    assert found[0][0].passage_id == "p1"
    assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)


def test_a_quoted_word_is_found_by_the_passage_that_explains_it():
    retriever = LoreRetriever(PACK, 2)
    assert ids(retriever.focus([f"{MISSING}'ombrate'"])) == ["p3"]
    assert ids(retriever.focus([f"{MISSING}'ombrate', 'glaisten'"])) == ["p3", "p1"]


def test_a_word_that_is_asked_for_again_gets_more_passages():
    assert ids(LoreRetriever(PACK, 4).focus([f"{MISSING}'ombrate'"] * 2)) == ["p3", "p4"]


def test_a_reason_without_a_word_is_itself_the_query():
    assert ids(LoreRetriever(PACK, 2).focus(["step 1: the miller"])) == ["p5"]


def test_new_passages_come_first_then_what_b_used_and_k_is_kept():
    found = [PACK[4], PACK[1], PACK[0]]
    again = LoreRetriever(PACK, 3).again(found, [f"{MISSING}'ombrate'"], used={"p1"})
    assert ids(again) == ["p3", "p1", "p5"]


def test_at_most_k_passages_are_returned_at_first():
    assert len(LoreRetriever(PACK, 2).first(["glaisten ombrate miller"], task_id="t")) == 2
