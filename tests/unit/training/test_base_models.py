"""The shipped base models: what they are made of, and that the record of their making is true."""

from __future__ import annotations

import json
from itertools import islice
from random import Random

import pytest

from goldsmith.registry.bases import SHIPPED
from goldsmith.registry.intake import check_artefact
from goldsmith.store.directories import digest_directory
from goldsmith.tasks.cooking.meanings import FORMS, Meaning, explain, read_meaning
from goldsmith.tasks.cooking.words import PREPARATIONS
from goldsmith.tasks.transcript import Transcript
from goldsmith.training.base import corpus
from goldsmith.training.base.pretrain import SHAPES

TIERS = ["gold", "silver", "bronze"]
RECORD = json.loads((SHIPPED / "bases.json").read_text())


@pytest.mark.parametrize("tier", TIERS)
def test_the_recorded_digest_is_that_of_the_shipped_files(tier: str) -> None:
    assert RECORD[tier]["digest"] == digest_directory(SHIPPED / tier)


@pytest.mark.parametrize("tier", TIERS)
def test_the_recorded_shape_is_the_scripts(tier: str) -> None:
    shape = SHAPES[tier]
    assert {key: RECORD[tier][key] for key in shape.__dict__} == shape.__dict__


def test_bronze_is_larger_than_silver_and_silver_than_gold() -> None:
    sizes = [check_artefact(SHIPPED / tier).parameters for tier in TIERS]
    assert sizes == sorted(set(sizes))


def test_all_together_are_at_most_eight_megabytes() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) <= 8_000_000


def test_all_tiers_share_one_tokenizer() -> None:
    assert len({(SHIPPED / tier / "tokenizer.json").read_bytes() for tier in TIERS}) == 1


def test_a_base_learns_nothing_of_what_words_mean() -> None:
    """Over many documents a word is explained by each of the six meanings about equally often."""
    lore = tuple(
        (p.word, explain(Meaning(p.word, p.verb, p.tool), form=FORMS[1])) for p in PREPARATIONS
    )
    game = Transcript("make the meal.", lore, "you carry nothing.")
    true = {(p.word, p.verb, p.tool) for p in PREPARATIONS}
    seen = [
        meaning
        for document in islice(corpus.documents([game], Random(0)), 400)
        for line in document[0]["content"].splitlines()
        if (meaning := read_meaning(line.removeprefix("- ")))
    ]
    right = sum(tuple(meaning) in true for meaning in seen) / len(seen)
    assert len(seen) > 10_000 and right < 0.25
