"""Secrets (detect-secrets' own patterns) and personal data, by form and checksum."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from goldsmith.data.defects.catalogue import Problems

SHORTEST = 16
"""Characters of a secret; no kind that we know of is shorter, and most words are."""
KEY = "PRIVATE KEY"
TOKEN = re.compile(rf"[\w+/=.:~$@%-]{{{SHORTEST},}}|{KEY}")
UNUSED = {"Base64 High Entropy String", "Hex High Entropy String", "Secret Keyword",
          "Public IP (ipv4)"}  # fmt: skip
"""These go by entropy or words, and find them in hashes, numbers and recipes."""
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*\.[A-Za-z]{2,24}\b")
PHONE = re.compile(
    r"(?<![\w.+-])(?:\+[1-9]\d{0,2}(?:[ .-]?\(?\d{2,4}\)?){2,5}|\(?\d{3}\)?[ .-]\d{3}[.-]\d{4})"
    r"(?![\w-])"
)
CARD = re.compile(
    r"(?<![\d.])[3-6]\d{3}(?:([ -]?)\d{4}\1\d{4}\1\d{1,7}|[ -]?\d{6}[ -]?\d{5})(?!\d)"
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
SOCIAL = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
NUMBER = re.compile(r"\d[\d .()-]{6,}\d|[A-Z]{2}\d\d")
"""What all of these begin with."""


def private(text: str) -> Problems:
    """Secrets and personal data in one text; messages never repeat them."""
    yield from _secrets(text)
    if "@" in text and EMAIL.search(text):
        yield "personal-data", "an e-mail address"
    if NUMBER.search(text):
        yield from _numbers(text)


def _secrets(text: str) -> Problems:
    """The first secret; only lines with a long word are looked at closely."""
    if max(map(len, text.split()), default=0) < SHORTEST and KEY not in text:
        return
    for line in text.splitlines():
        if TOKEN.search(line):
            for plugin in detectors():
                if any(True for _ in plugin.analyze_string(line)):
                    yield "secret-in-text", f"it looks like: {plugin.secret_type}"
                    return


def _numbers(text: str) -> Problems:
    if any(luhn(re.sub(r"\D", "", match.group())) for match in CARD.finditer(text)):
        yield "personal-data", "a payment card number"
    elif any(iban(match.group().replace(" ", "")) for match in IBAN.finditer(text)):
        yield "personal-data", "a bank account number"
    elif SOCIAL.search(text):
        yield "personal-data", "a social security number"
    elif PHONE.search(text):
        yield "personal-data", "a phone number"


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number is right."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def iban(text: str) -> bool:
    """Whether the check digits of an IBAN are right (mod 97)."""
    number = "".join(str(int(character, 36)) for character in text[4:] + text[:4])
    return int(number) % 97 == 1


@cache
def detectors() -> tuple[Any, ...]:
    """detect-secrets' plug-ins that go by a secret's form."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found = get_mapping_from_secret_type_to_class()
    return tuple(plugin() for name, plugin in sorted(found.items()) if name not in UNUSED)
