"""Request traces: a seeded generator, and loaders of the Azure LLM and BurstGPT schemas.

The generator draws Gamma gaps of a chosen coefficient of variation, bends time by a day's curve,
draws lognormal prompts and Zipf answers, and lets a share of the requests go on with an earlier
conversation, whose prompt grows by what was said. What the published traces leave out (the text)
is drawn as well: each conversation has a topic, whose words its prompts hold among common ones.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

DAY_S = 86_400.0
TOPICS, TOPIC_WORDS, COMMON_WORDS = 40, 12, 300
PROMPT_TOPIC_WORDS, PROMPT_COMMON_WORDS = 10, 6
PROMPT_MEDIAN, PROMPT_SIGMA = 180.0, 0.9
ANSWER_ZIPF, ANSWER_LEAST, ANSWER_MOST = 1.6, 16, 768
CONTEXT_MOST = 3000
OPEN_CONVERSATIONS = 64


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a trace."""

    at_s: float
    tokens_in: int
    tokens_out: int
    topic: int
    text: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What published traces hold: a time from the start, and two lengths."""

    at_s: float
    tokens_in: int
    tokens_out: int


def generate(
    seed: int,
    *,
    count: int,
    rate_per_s: float,
    cv: float = 1.0,
    diurnal: float = 0.0,
    reuse: float = 0.3,
) -> list[Request]:
    """A trace of `count` requests; `diurnal` is the amplitude of the day's curve, 0 to 1."""
    random = np.random.default_rng(seed)
    shape = 1.0 / (cv * cv)
    even = np.cumsum(random.gamma(shape, 1.0 / shape, count)) / rate_per_s
    times = _by_day(even, diurnal)
    prompts = np.exp(random.normal(math.log(PROMPT_MEDIAN), PROMPT_SIGMA, count))
    answers = np.minimum(ANSWER_LEAST * random.zipf(ANSWER_ZIPF, count), ANSWER_MOST)
    answers = np.maximum(ANSWER_LEAST, answers * random.uniform(0.5, 1.5, count))
    arrivals = [
        Arrival(float(at), max(4, min(int(prompt), CONTEXT_MOST)), int(answer))
        for at, prompt, answer in zip(times, prompts, answers, strict=True)
    ]
    return with_topics(seed, arrivals, reuse=reuse)


def with_topics(seed: int, arrivals: Sequence[Arrival], *, reuse: float = 0.0) -> list[Request]:
    """Arrivals with topics and texts; a share `reuse` goes on with an earlier conversation."""
    random = np.random.default_rng((seed, 1))
    conversations: list[tuple[int, int]] = []
    found = []
    for arrival in arrivals:
        topic, tokens_in = int(random.integers(TOPICS)), arrival.tokens_in
        if conversations and random.random() < reuse:
            place = int(random.integers(len(conversations)))
            topic, said = conversations.pop(place)
            tokens_in = min(said + tokens_in, CONTEXT_MOST)
        conversations.append((topic, tokens_in + arrival.tokens_out))
        del conversations[:-OPEN_CONVERSATIONS]
        text = _text(random, topic)
        found.append(Request(arrival.at_s, tokens_in, arrival.tokens_out, topic, text))
    return found


def load_azure(path: Path) -> list[Arrival]:
    """The Azure LLM inference traces of 2023 and 2024: TIMESTAMP,ContextTokens,GeneratedTokens."""
    rows = [
        (_seconds(row["TIMESTAMP"]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for row in _rows(path)
    ]
    return _from_start(rows)


def load_burstgpt(path: Path) -> list[Arrival]:
    """BurstGPT; rows with an empty answer are its failures, and left out."""
    rows = [
        (float(row["Timestamp"]), int(row["Request tokens"]), int(row["Response tokens"]))
        for row in _rows(path)
    ]
    return _from_start([row for row in rows if row[2] > 0])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        yield from csv.DictReader(file)


def _seconds(stamp: str) -> float:
    """Of `2023-11-16 18:15:46.6805900` or `2024-05-10 00:00:00.009930+00:00`."""
    whole, _, rest = stamp.partition(".")
    fraction = rest.partition("+")[0]
    moment = datetime.fromisoformat(whole.removesuffix("+00:00") + "+00:00")
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)


def _from_start(rows: list[tuple[float, int, int]]) -> list[Arrival]:
    rows.sort()
    return [Arrival(at - rows[0][0], tokens_in, out) for at, tokens_in, out in rows]


def _by_day(even: np.ndarray, amplitude: float) -> np.ndarray:
    """Times at which a rate of 1 + amplitude * sin(day) has let as much pass as a rate of 1."""
    if not amplitude:
        return even
    grid = np.arange(0.0, even[-1] * 1.5 + DAY_S, 30.0)
    angle = 2 * np.pi * grid / DAY_S
    passed = grid + amplitude * DAY_S / (2 * np.pi) * (1 - np.cos(angle))
    return np.asarray(np.interp(even, passed, grid))


def _text(random: np.random.Generator, topic: int) -> str:
    """A prompt's words: of its topic, and common ones."""
    own = random.integers(TOPIC_WORDS, size=PROMPT_TOPIC_WORDS)
    common = random.integers(COMMON_WORDS, size=PROMPT_COMMON_WORDS)
    words = [f"topic{topic}word{word}" for word in own] + [f"common{word}" for word in common]
    random.shuffle(words)
    return " ".join(words)
