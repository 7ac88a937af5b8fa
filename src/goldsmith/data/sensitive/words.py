"""Secrets that only the word before them gives away: passwords, keys, authorisation headers."""

from __future__ import annotations

import re

from goldsmith.data.sensitive.kinds import Kind, Match
from goldsmith.data.sensitive.secrets import mixed

LONG = 16
"""Characters from which on a value with letters and digits is a secret, whatever its key's name."""
_ASSIGN = r"[\w.-]{0,24}[\"'\\\]]{0,3}[ \t]{0,4}(?::=|=>|={1,2}|:)\s{0,4}(?P<quote>[\"'\\]{0,3})"
_VALUE = r"(?P<value>[^\s\"'\\,;<>(){}\[\]&|]{4,512})"
_EMPTY = re.compile(
    r"(?:none|null|nil|true|false|yes|no|required|optional|string|str|bytes|int|undefined|empty"
    r"|redacted|hidden|changeme|x+|\*+|\.+|-+|_+|\$.*|%.*|@.*|your.*|my_?pass.*|pass(?:word|wd)?"
    r"|secret|token|example|placeholder)\Z",
    re.IGNORECASE,
)
"""What stands where no secret is."""
_PLACE = re.compile(r"(?:https?|file|s3)://|[./~]*/|[\w-]+\.[a-z]{1,4}\Z|[a-z_]+(?:\.[a-z_]+)+\Z")
"""URLs, paths, files, attributes."""


def _long(match: Match) -> bool:
    value = match["value"]
    return len(value) >= LONG and mixed(match) and not _EMPTY.match(value) and not _place(value)


def _place(value: str) -> bool:
    return bool(_PLACE.match(value))


def _password(match: Match) -> bool:
    """In quotes anything that is no placeholder; else it needs a digit or a sign."""
    value = match["value"].rstrip(".!?") if not match["quote"] else match["value"]
    if len(value) < 4 or _EMPTY.match(value) or _place(value):
        return False
    return bool(match["quote"]) or (
        any(c.isalpha() for c in value) and bool(re.search(r"[\d!@#$%^*+=~]", value))
    )


def _bearer(match: Match) -> bool:
    return mixed(match) and len(match["value"]) >= LONG


ASSIGNED = (
    Kind(
        "Assigned Secret",
        "secret",
        re.compile(
            r"(?:secret|token|(?:api|access|account|private|auth|signing|encryption)[_ -]?key"
            r"|credentials?|password|passwd|pwd|(?:ibm|iam|softlayer|cloudant)\w{0,12}(?:key|pass|pwd))"
            rf"{_ASSIGN}{_VALUE}",
            re.IGNORECASE,
        ),
        (
            "secret",
            "token",
            "api",
            "access",
            "account",
            "private",
            "auth",
            "signing",
            "encryption",
            "credential",
            "passw",
            "pwd",
            "ibm",
            "iam",
            "softlayer",
            "cloudant",
        ),
        folded=True,
        glued=True,
        accept=_long,
    ),
)
"""Values of at least LONG characters."""
WORDS = (
    Kind(
        "Password",
        "secret",
        re.compile(
            rf"(?:pass(?:word|wd|phrase|code)?|pwd|kennwort|passwort){_ASSIGN}{_VALUE}",
            re.IGNORECASE,
        ),
        ("pass", "pwd", "kennwort"),
        folded=True,
        glued=True,
        accept=_password,
        certain=False,
    ),
    Kind(
        "Password",
        "secret",
        re.compile(
            r"(?:password|passphrase|passcode|passwort|pin(?: code)?)"
            r"(?: (?:for|of|to) (?:\S{1,30} ){1,4}?)? ?"
            r"(?:is|was|will be|ist|=)(?: now)?:? (?P<quote>[\"'`]?)"
            r"(?P<value>[^\s\"'`,;<>(){}]{4,128})",
            re.IGNORECASE,
        ),
        ("pass", "pin "),
        folded=True,
        accept=lambda match: bool(re.search(r"\d", match["value"])),
        certain=False,
    ),
    Kind(
        "Authorization Header",
        "secret",
        re.compile(
            r"(?:authorization|x-api-key|x-auth-token|api-key)[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}"
            r"[\"'\\]{0,3}(?:(?:bearer|basic|token|digest|apikey|negotiate)\s+)?"
            r"(?P<value>[\w.~+/=:;%-]{8,4096})",
            re.IGNORECASE,
        ),
        ("authorization", "x-api-key", "x-auth-token", "api-key"),
        folded=True,
        accept=mixed,
        certain=False,
    ),
    Kind(
        "Cookie",
        "secret",
        re.compile(
            r"cookie[\"'\\]{0,3}:\s{0,3}[\"'\\]{0,3}"
            r"(?P<value>[\w.-]{1,64}=[\w.~+/=:;% -]{8,4096}(?<! ))",
            re.IGNORECASE,
        ),
        ("cookie",),
        folded=True,
        accept=mixed,
        certain=False,
    ),
    Kind(
        "Bearer Token",
        "secret",
        re.compile(r"bearer\s{1,4}(?P<value>[\w.~+/-]{16,4096}=*)", re.IGNORECASE),
        ("bearer",),
        folded=True,
        accept=_bearer,
        certain=False,
    ),
    Kind(
        "Seed Phrase",
        "secret",
        re.compile(
            r"(?:seed|recovery|mnemonic|backup) (?:phrase|words?)[ \t]*(?:is|are)?[ \t]*[:=]?[ \t]*"
            r"[\"']?(?P<value>(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8})",
            re.IGNORECASE,
        ),
        ("seed", "recovery", "mnemonic", "backup"),
        folded=True,
        certain=False,
    ),
)
