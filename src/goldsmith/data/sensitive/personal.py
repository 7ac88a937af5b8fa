"""Kinds of personal data that are told by their form, and most numbers also by a checksum."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from goldsmith.data.sensitive import checksums
from goldsmith.data.sensitive.checksums import digits
from goldsmith.data.sensitive.kinds import Kind, Match

_IMAGES = ("png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "html")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_VERSION = re.compile(
    r"(?:version|ver\.?|release|build|section|chapter|sec\.|§|rev(?:ision)?|firmware|figure|rule"
    r"|step|clause|table|(?<![a-z])v)[ :=]{0,2}\Z|[=<>~!]=\Z|[~^@_]\Z|(?<!/)/\Z",
    re.IGNORECASE,
)
"""What comes before four numbers that are no address."""
_GLOBAL, _LOCAL = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("fc00::/7")
_EXTENSION = re.compile(r" ?(?:x|ext)")
DATE = re.compile(r"(?:\d{4}[./ -]\d\d?[./ -]\d\d?|\d\d?[./ -]\d\d?[./ -](?:19|20)\d\d)(?!\d)")


def _email(match: Match) -> bool:
    """Not a picture's size (`icon@2x.png`) and not a repository (`git@host:path`)."""
    if match.group().rpartition(".")[2].lower() in _IMAGES:
        return False
    return not match.string.endswith("git", 0, match.start())


def _card(match: Match) -> bool:
    number = digits(match.group())
    return len(set(number)) > 1 and checksums.luhn(number)


def _iban(match: Match) -> bool:
    return checksums.iban(match.group().replace(" ", ""))


def _public(match: Match) -> bool:
    """No version or section number, and no address that means the same everywhere."""
    octets = [int(octet) for octet in match.group().split(".")]
    if max(octets) < 20 or octets[0] in (0, 10, 127, 255) or octets[:2] in ([192, 168], [169, 254]):
        return False
    if octets[0] == 172 and 16 <= octets[1] < 32:
        return False
    start = match.start()
    return not _VERSION.search(match.string, max(0, start - 12), start)


def _ipv6(match: Match) -> bool:
    """All eight groups, or a short form of an address that is used."""
    text = match.group()
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    used = address in _GLOBAL or address.is_link_local or address in _LOCAL
    return used if "::" in text else len(set(text)) > 2


def _phone(match: Match) -> bool:
    """8 to 15 digits with a calling code, else 9 to 14; no date, no IP address."""
    text = match.group()
    number = digits(_EXTENSION.split(text)[0])
    if DATE.match(text) or re.fullmatch(r"\d+(?:\.\d+){3}", text):
        return False
    return 8 <= len(number) <= 15 if text[0] == "+" else 9 <= len(number) <= 14


def _number(
    name: str, pattern: str, accept: Callable[[Match], bool] | None = None, *, least: int = 0
) -> Kind:
    return Kind(name, "personal", re.compile(pattern, re.ASCII), accept=accept, least=least)


EMAIL = Kind(
    "E-mail Address",
    "personal",
    re.compile(r"(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[A-Za-z]{2,24}(?![\w-])"),
    ("@", "%40"),
    before=re.compile(r"[\w.+-]{1,64}\Z"),
    reach=64,
    accept=_email,
)
CARD = _number(
    "Payment Card",
    r"(?<![\d.])(?:[2-6]\d{3}(?:([ -]?)\d{4}\1\d{4}\1\d{1,7}|[ -]?\d{6}[ -]?\d{5}))(?!\d)",
    _card,
    least=13,
)
ACCOUNT = _number(
    "Bank Account", r"[A-Z](?<!\w.)[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban
)
SOCIAL = _number(
    "Social Security Number",
    r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])",
    least=11,
)
PHONE = _number(
    "Phone Number",
    r"(?<![\w.+-])(?:\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,6}"
    r"|(?:1[.-])?\(?\d{3}\)?[ .-]\d{3}[.-]\d{4})(?![\w-])",
    _phone,
    least=8,
)
NATIONAL_PHONE = _number(
    "Phone Number",
    r"(?<![\w.+-])(?:(?:(?:\+|00)?1[ .-]?)?\(?[2-9]\d{2}\)?[ .-]?(?<=[ .)-])[2-9]\d{2}[ .-]\d{4}"
    r"|\(?0\d{1,4}\)?[ /-]\d{3,8}(?:[ -]\d{2,5})?|0\d(?:[ .]\d\d){4}|0[1-9]\d{8,9}"
    r"|\(?[1-9]\d\)? 9?\d{4}-\d{4})"
    r"(?:(?: ?x| ext\.? ?)\d{1,6})?(?![\w-])",
    _phone,
)
"""Forms that columns of numbers may have, too."""
OTHER_CARD = _number(
    "Payment Card",
    r"(?<![\d.-])(?:(?:1800|2131)\d{11}|(?:5018|5020|5038|5[678]\d\d|6304|6390|6759|676\d)\d{8})"
    r"(?![\d-])",
    _card,
    least=12,
)
"""Rarer ones, without gaps."""
NUMBERS = (
    CARD,
    OTHER_CARD,
    SOCIAL,
    PHONE,
    NATIONAL_PHONE,
    _number("IP Address", rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.\d)", _public),
    _number("Aadhaar Number", r"(?<![\d-])[2-9]\d{3}([ -])\d{4}\1\d{4}(?![\d-])",
            lambda match: checksums.verhoeff(digits(match.group())), least=14),
    _number("AHV Number", r"(?<![\d.])756\.\d{4}\.\d{4}\.\d{2}(?![\d.])", least=16),
    _number("CPF Number", r"(?<!\d)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)",
            lambda match: checksums.cpf(digits(match.group())), least=14),
    _number("NIR Number", r"(?<!\d)[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?\d\d ?\d{3} ?\d{3} ?\d\d(?!\d)",
            lambda match: checksums.nir(digits(match.group())), least=15),
    _number("Identity Number", r"(?<!\d)[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])\d{5}[\dX](?!\w)",
            lambda match: checksums.national(match.group()), least=17),
    _number(
        "DNI Number", r"[0-9XYZ](?<!\w.)\d{7}[A-Z]\b", lambda match: checksums.dni(match.group())
    ),
)  # fmt: skip
"""They begin with a digit, a `+` or a bracket, at most one character later."""
LETTERED = (
    ACCOUNT,
    _number(
        "National Insurance Number",
        r"[A-CEGHJ-PR-TW-Z](?<!\w.)[A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b",
    ),
    _number("Fiscal Code", r"[A-Z](?<!\w.)[A-Z]{5}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]\b"),
    _number("PAN Number", r"[A-Z](?<!\w.)[A-Z]{2}[ABCFGHLJPT][A-Z]\d{4}[A-Z]\b"),
)
"""They hold capitals, too."""
COLONS = (
    _number("MAC Address", r"[0-9A-Fa-f](?<![\w:-].)[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}"
            r"[0-9A-Fa-f]{2}(?![\w:-])"),
    _number("IP Address", r"[0-9a-fA-F](?<![\w:.].)[0-9a-fA-F]{0,3}(?::[0-9a-fA-F]{0,4}){2,7}"
            r"(?![\w:])", _ipv6),
)  # fmt: skip
"""Hexadecimal with colons or hyphens."""
