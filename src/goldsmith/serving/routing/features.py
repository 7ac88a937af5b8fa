"""Hashed features of a prompt: what the quality model learns by.

A text is described by the words and word pairs of its start and end, of which those with the
smallest hashes are kept: a bottom-k sketch, so that texts which share words share features
wherever the words stand.
"""

from __future__ import annotations

import re
from itertools import pairwise
from zlib import crc32

FEATURES = 16
WORDS = 12
"""Of the features; the rest are pairs, which recur less."""
START_CHARACTERS, END_CHARACTERS = 160, 480
"""The end holds the question, the start often only what all prompts share."""
BUCKETS, LENGTHS = 2048, 32
PLACES = BUCKETS + LENGTHS
_WORD = re.compile(r"\w+")


def text_features(text: str) -> tuple[int, ...]:
    """Up to FEATURES hashed n-grams of a prompt."""
    if len(text) > START_CHARACTERS + END_CHARACTERS:
        text = f"{text[:START_CHARACTERS]} {text[-END_CHARACTERS:]}"
    words = [word.encode() for word in _WORD.findall(text.lower())]
    single = sorted({crc32(word) for word in words})[:WORDS]
    pairs = sorted({crc32(second, crc32(first)) for first, second in pairwise(words)})
    return (*single, *pairs[: FEATURES - len(single)])


def buckets(features: tuple[int, ...], tokens_in: int) -> list[int]:
    """Places of a request in the quality model: one a feature, and one for its length."""
    places = [feature % BUCKETS for feature in features[:FEATURES]]
    places.append(BUCKETS + min(tokens_in.bit_length(), LENGTHS - 1))
    return places
