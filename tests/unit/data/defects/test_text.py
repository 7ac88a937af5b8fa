"""Plain text raises no alarm; what was found is told once and without the secret."""

import pytest

from goldsmith.data.defects.text import unsafe
from goldsmith.data.sensitive.checksums import iban, luhn

PLAIN = (
    "Open the fridge, take the red onion and ignore the carrot.",
    "The system of roads; the assistant waits. Tell the cook: the previous rule holds.",
    "12 - 345 - 6789 = -7122",
    "Peg 1: 6 5 4 3 2 1; Peg 2: -; Peg 3: -",
    "answer: 1234567890123",
    "4111 1111 1111 1112",
    "sha256 9c2cb22d220b0de6c14cf82a2eeba8c2c413d5e507826a7bbc8be3ff145e851e",
    "On 2026-11-23 at 10:11:12, version 1.2.3.4, page 10-20.",
    "It costs $1,234,567.89 or 12.5% of 10000000 pieces.",
    "https://example.org/a-long-path/with-parts?and=queries",
    "reasoning/chain_sum-easy/train/2c9554d1b4b7-a1",
    "Crème brûlée für 3 Gäste, naïve façade, 35 × 3 = 105 kiwi",  # noqa: RUF001 - the sign is meant
    "if a < b and c > d then [x] is <nothing>",
    "<b>bold</b> [INSTALL] ",
)


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_raises_no_alarm(text):
    assert not list(unsafe([text]))


def test_a_problem_is_told_once_a_record_and_never_repeats_a_secret():
    secret = "ghp_" + "a1B2" * 9
    found = list(unsafe([f"use {secret}", f"and {secret}", "fine"]))
    assert found == [("secret-in-text", "it looks like: GitHub Token")]


def test_check_digits():
    assert luhn("4111111111111111") and not luhn("4111111111111112")
    assert iban("DE89370400440532013000") and not iban("DE88370400440532013000")
