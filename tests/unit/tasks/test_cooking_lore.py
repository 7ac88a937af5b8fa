"""The lore pack explains every word once, and hides it among passages that only mention it."""

import re
from collections import Counter

from goldsmith.tasks.cooking.domain import CookingDomain
from goldsmith.tasks.cooking.lore import passage_of_word
from goldsmith.tasks.cooking.meanings import read_meaning
from goldsmith.tasks.cooking.words import PREPARATIONS
from goldsmith.tasks.retrieval import LoreIndex

DOMAIN = CookingDomain()
PACK = DOMAIN.lore()
WORDS = {p.word for p in PREPARATIONS}


def mentioned(passage):
    return WORDS & set(re.findall(r"\w+", passage.text))


def test_words_are_balanced_and_different():
    assert len(WORDS) == len(PREPARATIONS) >= 36
    assert len(set(Counter(p.state for p in PREPARATIONS).values())) == 1
    assert len([p for p in PREPARATIONS if not p.held_out]) >= 24


def test_every_word_is_explained_by_exactly_one_passage_and_rightly():
    meanings = [meaning for p in PACK if (meaning := read_meaning(p.text))]
    assert sorted(meanings) == sorted((p.word, p.verb, p.tool) for p in PREPARATIONS)
    assert set(passage_of_word()) == WORDS


def test_there_are_enough_distractors_and_many_mention_words():
    distractors = [passage for passage in PACK if passage.kind == "distractor"]
    assert len(distractors) >= 500
    assert sum(bool(mentioned(passage)) for passage in distractors) >= 100
    assert not any(read_meaning(passage.text) for passage in distractors)


def test_a_passage_that_only_mentions_a_word_names_no_tool():
    tools = {p.tool for p in PREPARATIONS}
    for passage in PACK:
        if mentioned(passage) and passage.kind != "preparation":
            assert not tools & set(re.findall(r"\w+", passage.text)), passage


def test_rules_come_from_the_rule_files():
    rules = [passage.text for passage in PACK if passage.kind == "rule"]
    slicing = next(text for text in rules if text.startswith("rule slice:"))
    assert "the player carries the food" in slicing
    assert slicing.endswith("then the food is sliced.")
    assert len(rules) > 60


def test_ids_and_titles_give_nothing_away():
    assert len({passage.passage_id for passage in PACK}) == len(PACK)
    assert not any(WORDS & set(p.title.split()) for p in PACK)
    texts = [passage.text for passage in sorted(PACK, key=lambda p: p.passage_id)]
    assert [read_meaning(text) is None for text in texts[:60]].count(False) < 15


def test_wrong_lore_explains_every_word_wrongly():
    right = {p.passage_id: read_meaning(p.text) for p in PACK}
    for passage in DOMAIN.wrong_lore():
        wrong, meant = read_meaning(passage.text), right[passage.passage_id]
        assert (wrong is None) == (meant is None)
        assert wrong is None or (wrong.word == meant.word and wrong != meant)


def test_the_first_search_finds_what_a_hard_task_needs():
    index, tasks = LoreIndex(PACK), DOMAIN.tasks("hard", "train", 24)
    full = [
        DOMAIN.gold_passages(task) <= {p.passage_id for p in index.gather(DOMAIN.queries(task), 8)}
        for task in tasks
    ]
    assert sum(full) / len(full) >= 0.95
