"""Secrets and personal data in training text: those that their form or checksum gives away."""

from __future__ import annotations

from functools import cache

from goldsmith.data.defects.catalogue import Problems
from goldsmith.data.sensitive.find import SECRETS, Finder
from goldsmith.data.sensitive.personal import ACCOUNT, CARD, EMAIL, PHONE, SOCIAL

NUMBERS = {
    CARD: "a payment card number",
    ACCOUNT: "a bank account number",
    SOCIAL: "a social security number",
    PHONE: "a phone number",
}
"""Of several only the first is told."""


def private(text: str) -> Problems:
    """Secrets and personal data in one text; messages never repeat them."""
    found = [span.kind for span in _finder().find(text)]
    if secret := next((kind for kind in found if kind.group == "secret"), None):
        yield "secret-in-text", f"it looks like: {secret.name}"
    if EMAIL in found:
        yield "personal-data", "an e-mail address"
    if number := next((kind for kind in NUMBERS if kind in found), None):
        yield "personal-data", NUMBERS[number]


@cache
def _finder() -> Finder:
    return Finder([*(kind for kind in SECRETS if kind.certain), EMAIL, *NUMBERS])
