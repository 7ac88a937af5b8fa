"""Every planted secret and nearly all personal data is found, and little else; in linear time."""

import random
import string
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.data.sensitive import checksums
from goldsmith.data.sensitive.find import KINDS, Finder, fold
from tests.fixtures import pii

FINDER = Finder()


def hidden(text):
    """The text without what was found."""
    for span in reversed(FINDER.find(text)):
        text = f"{text[: span.start]}<>{text[span.end :]}"
    return text


@pytest.mark.parametrize("kind", pii.SECRETS)
@pytest.mark.parametrize("form", ["{}", "use {} now", '{{"key": "{}"}}', "a\n{}\nb", "x={};"])
def test_a_planted_secret_is_found_whole(kind, form):
    rng = random.Random(f"{kind}{form}")
    for _ in range(3):
        planted = pii.SECRETS[kind](rng)
        left, value = hidden(form.format(planted)), pii.value_of(kind, planted)
        pieces = {value[at : at + 8] for at in range(len(value) - 7)}
        assert not any(piece in left for piece in pieces), (planted, left)


def test_twenty_kinds_of_secret_are_told_by_name():
    rng = random.Random(0)
    told = {
        kind
        for kind, make in pii.SECRETS.items()
        if kind in {span.kind.name for span in FINDER.find(f"x {make(rng)} y")}
    }
    assert len(told) >= 40


def test_whatever_detect_secrets_finds_by_form_is_found():
    plugins = pytest.importorskip("detect_secrets.core.plugins.util")
    unused = {"Base64 High Entropy String", "Hex High Entropy String", "Secret Keyword",
              "Public IP (ipv4)"}  # fmt: skip
    found = plugins.get_mapping_from_secret_type_to_class()
    detectors = [plugin() for name, plugin in found.items() if name not in unused]
    rng = random.Random(1)
    for kind, make in pii.SECRETS.items():
        line = hidden(f"use {make(rng)} now").replace("<>", "")
        for detector in detectors:
            assert not list(detector.analyze_string(line)), (kind, detector.secret_type, line)


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param(lambda: pii.documents(seed=0, count=600), id="made here"),
        pytest.param(lambda: pii.generated(seed=0), id="made by Faker"),
    ],
)
def test_personal_data_is_found_and_little_else(documents):
    right = wanted = told = wrong = 0
    for document in documents():
        spans, labels = FINDER.find(document.text), document.labels
        wanted += len(labels)
        right += sum(any(s.start <= a and s.end >= b for s in spans) for a, b, _ in labels)
        told += len(spans)
        wrong += sum(not any(s.start < b and s.end > a for a, b, _ in labels) for s in spans)
    assert right / wanted >= 0.95
    assert 1 - wrong / told >= 0.98


@pytest.mark.parametrize("line", pii.clean_lines())
def test_clean_text_raises_no_alarm(line):
    assert not FINDER.find(line)


HOSTILE = {
    "keys": "sk-" * 20_000,
    "tokens": "-eyJ" * 16_000,
    "dots": "a." * 30_000,
    "colons": ":" * 60_000,
    "ats": "a@" * 30_000,
    "digits": "1" * 60_000,
    "spaced digits": "1 " * 30_000,
    "brackets": "(" * 60_000,
    "pem": "-----BEGIN PRIVATE KEY-----" * 2_000,
    "putty": "PuTTY-User-Key-File-2\n" * 2_000,
    "urls": "://a:b" * 10_000,
    "passwords": "password:" * 6_000,
    "bearers": "bearer " * 8_000,
    "words": "seed phrase " * 5_000,
    "capitals": "A" * 60_000,
    "names": "My name is " + "Aa " * 16_000,
    "streets": "1 Aa Aa Aa " * 5_000,
    "hexes": "0a:" * 20_000,
    "one word": "a" * 60_000,
    "german": "Aaaaaaaaaaaaaaaaaaaaaaaaaaa" * 2_000,
    "cookies": "cookie: a=" * 6_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(name):
    def seconds(text):
        started = time.process_time()
        FINDER.find(text)
        return time.process_time() - started

    text = HOSTILE[name]
    assert seconds(text) < 2
    if (whole := seconds(text)) > 0.3:
        assert whole < 4 * seconds(text[: len(text) // 2])


@given(st.text())
def test_folding_keeps_every_place(text):
    assert len(fold(text)) == len(text)


@given(st.text(alphabet=string.printable, max_size=300))
def test_finds_are_in_order_and_apart(text):
    spans = FINDER.find(f"{text} mail a.b@example.org {text}")
    assert all(one.end <= two.start for one, two in pairwise(spans))
    assert spans


def test_tags_are_words_without_digits():
    assert all(kind.tag.replace("_", "").isalpha() and kind.tag.islower() for kind in KINDS)


@pytest.mark.parametrize(
    ("check", "right"),
    [
        pytest.param(checksums.luhn, "4111111111111111", id="card"),
        pytest.param(checksums.iban, "DE89370400440532013000", id="iban"),
        pytest.param(checksums.verhoeff, "234123412346", id="aadhaar"),
        pytest.param(checksums.cpf, "52998224725", id="cpf"),
        pytest.param(checksums.dni, "12345678Z", id="dni"),
        pytest.param(checksums.nir, "255081416802538", id="nir"),
        pytest.param(checksums.national, "11010519491231002X", id="china"),
    ],
)
def test_a_checksum_tells_a_right_number_from_its_neighbours(check, right):
    assert check(right)
    for place in (2, 5, 7):
        other = str((int(right[place]) + 1) % 10)
        assert not check(right[:place] + other + right[place + 1 :])
