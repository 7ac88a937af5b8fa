"""What a trace may not hold becomes a token, wherever it stands; the rest stays as it was."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.serving.traces.scrub import Scrubber
from tests.fixtures import pii

SALT = b"s" * 32
MAIL = "jane.doe@example.org"


def scrub(text, salt=SALT):
    return Scrubber(salt).text(text)


def test_a_find_becomes_a_token_that_says_its_kind():
    text = scrub(f"Write to {MAIL} today")
    assert text.startswith("Write to <e_mail_address:") and text.endswith("> today")
    assert "jane" not in text


def test_the_same_value_is_the_same_token_under_the_same_salt_only():
    assert scrub(MAIL) == scrub(MAIL) != scrub(MAIL, b"t" * 32)
    assert scrub(MAIL) != scrub("john.doe@example.org")


def test_clean_text_stays_as_it_is():
    text = "\n".join(pii.clean_lines())
    assert scrub(text) == text


def test_scrubbing_twice_changes_nothing():
    rng = random.Random(2)
    texts = [document.text for document in pii.documents(seed=3, count=100)]
    texts += [f"a {make(rng)} b" for make in pii.SECRETS.values()]
    for text in texts:
        once = scrub(text)
        assert scrub(once) == once


@given(st.text())
def test_any_text_can_be_scrubbed(text):
    assert scrub(scrub(text)) == scrub(text)


def test_every_place_of_a_trace_is_scrubbed():
    part = {"type": "text", "text": f"I am {MAIL}"}
    record = {
        "request_id": "r-1",
        "tenant": "acme",
        "prompt": [{"role": "user", "content": [part]}, {"role": "tool", MAIL: [["x", MAIL]]}],
        "answer": f"Hello {MAIL}",
        "decision": {"reason": f"asked by {MAIL}", "card": 4111111111111111, "ms": 12.5},
        "verdict": {"why": MAIL},
    }
    scrubber = Scrubber(SALT)
    scrubbed = scrubber.record(record)
    assert MAIL not in repr(scrubbed) and "4111111111111111" not in repr(scrubbed)
    assert scrubbed["decision"]["ms"] == 12.5 and scrubbed["tenant"] == "acme"
    assert scrubber.counts == {"E-mail Address": 6, "Payment Card": 1}


def test_a_trace_that_is_nested_without_end_is_refused():
    value = "x"
    for _ in range(100):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        Scrubber(SALT).record({"prompt": value})
