"""Kinds of personal data: numbers by form and checksum, the rest by form or the word before."""

from __future__ import annotations

import ipaddress
import re

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
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_DATE = re.compile(r"(?:\d{4}[./ -]\d\d?[./ -]\d\d?|\d\d?[./ -]\d\d?[./ -](?:19|20)\d\d)(?!\d)")


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
    if _DATE.match(text) or re.fullmatch(r"\d+(?:\.\d+){3}", text):
        return False
    return 8 <= len(number) <= 15 if text[0] == "+" else 9 <= len(number) <= 14


def _said_phone(match: Match) -> bool:
    number = digits(match["value"])
    return 7 <= len(number) <= 15 and not _DATE.match(match["value"])


def _identity(match: Match) -> bool:
    value = match["value"]
    plain = sum(c.isdigit() for c in value) >= 4
    return plain and not _DATE.match(value) and not _YEAR.match(value)


def _number(name: str, pattern: str, accept: object = None) -> Kind:
    check = accept if callable(accept) else None
    return Kind(name, "personal", re.compile(pattern, re.ASCII), accept=check)


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
)
ACCOUNT = _number(
    "Bank Account", r"[A-Z](?<!\w.)[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban
)
SOCIAL = _number(
    "Social Security Number",
    r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])",
)
PHONE = _number(
    "Phone Number",
    r"(?<![\w.+-])(?:\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,6}"
    r"|(?:1[.-])?\(?\d{3}\)?[ .-]\d{3}[.-]\d{4})(?![\w-])",
    _phone,
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
            lambda match: checksums.verhoeff(digits(match.group()))),
    _number("AHV Number", r"(?<![\d.])756\.\d{4}\.\d{4}\.\d{2}(?![\d.])"),
    _number("CPF Number", r"(?<!\d)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)",
            lambda match: checksums.cpf(digits(match.group()))),
    _number("NIR Number", r"(?<!\d)[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?\d\d ?\d{3} ?\d{3} ?\d\d(?!\d)",
            lambda match: checksums.nir(digits(match.group()))),
    _number("Identity Number", r"(?<!\d)[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])\d{5}[\dX](?!\w)",
            lambda match: checksums.national(match.group())),
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
_IS = (
    r"[ \t]{0,2}(?:number|no\.?|nr\.?|num|#|id)?[ \t]{0,2}(?:is|was|are|at|on|:|=|ist)?[ \t:]{0,3}"
)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
DATED = (
    Kind(
        "Phone Number",
        "personal",
        re.compile(
            r"(?:phone|tel(?:ephone)?|mobile|cell(?:phone)?|fax|whatsapp|(?:call|reach)(?: me| us)?"
            rf"|text (?:me|us)|my number|handy|telefon)[\"']?\.?{_IS}[\"']?"
            r"(?P<value>\+?\(?\d[\d .()/-]{5,18}\d)(?![\w-])",
            re.IGNORECASE,
        ),
        ("phone", "tel", "mobile", "cell", "fax", "whatsapp", "call", "reach", "text ",
         "my number", "handy"),
        folded=True,
        accept=_said_phone,
        certain=False,
    ),
    Kind(
        "Identity Number",
        "personal",
        re.compile(
            r"(?:passport|driver'?s? licen[cs]e|driving licen[cs]e|national id(?:entity)?"
            r"|identity card|id card|tax(?:payer)? id|tax file|social security|ssn|sin|nhs|medicare"
            r"|steuer-?id|personalausweis|reisepass|patient id|medical record|insurance policy"
            r"|account|routing|sort code|policy)"
            rf"{_IS}(?P<value>(?-i:[A-Z]{{0,3}}[ -]?\d[A-Z0-9]{{0,15}}"
            r"(?:[ -]\d[A-Z0-9]{0,8}){0,5}(?:[ -]?[A-Z])?))(?![\w-])",
            re.IGNORECASE,
        ),
        ("passport", "driv", "national id", "identity card", "id card", "tax", "social security",
         "ssn", "sin", "nhs", "medicare", "steuer", "personalausweis", "reisepass", "patient id",
         "medical record", "insurance policy", "account", "routing", "sort code", "policy"),
        folded=True,
        accept=_identity,
        certain=False,
    ),
    Kind(
        "Date of Birth",
        "personal",
        re.compile(
            r"(?:date of birth|birth ?date|birthday|d\.?o\.?b\.?|born|geboren|geburtsdatum)"
            r"[\"']?[ \t]{0,2}(?:is|was|on|am|:|=)?[ \t:]{0,3}(?:on |the )?[\"']?"
            rf"(?P<value>\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}"
            rf"|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},? \d{{4}}"
            rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})(?!\d)",
            re.IGNORECASE,
        ),
        ("date of birth", "birth", "dob", "d.o.b", "born", "geboren", "geburtsdatum"),
        folded=True,
        certain=False,
    ),

)  # fmt: skip
"""Told by the word before, and holding a number of four digits or signs at the least."""
_PARTICLES = r"(?:(?:van|von|de|da|das|del|di|dos|la|der|den|die|bin|al|'t) ){0,2}"
_CAPITAL = rf"{_PARTICLES}[A-Z\u00c0-\u00de][\w'\u2019-]{{1,24}}"
_FLAT = r"(?:,? (?:Apt|Suite|Unit|Flat|Studio|Piso|Puerta|Piano|Appartamento|#)\.? ?\w{1,6})?"
SAID = (
    Kind(
        "Name",
        "personal",
        re.compile(
            r"(?i:name)(?:(?<=(?i:my name))|(?<=(?i:full name))|(?<=(?i:irst.name))"
            r"|(?<=(?i:last.name))|(?<=(?i:surname)))[\"']?(?: is|[ \t]?[:=])[ \t]{0,3}[\"']?"
            rf"(?P<value>{_CAPITAL}(?:[ ]+(?:{_CAPITAL}|[A-Z]\.)){{0,3}})"
        ),
        ("name",),
        folded=True,
        glued=True,
        certain=False,
    ),
    Kind(
        "Name",
        "personal",
        re.compile(
            r"(?i:name|mein name ist|je m'appelle|me llamo)[\"']?[ \t]?:?[ \t]{0,3}[\"']?"
            rf"(?P<value>{_CAPITAL}(?:[ ]+(?:{_CAPITAL}|[A-Z]\.)){{1,3}})"
        ),
        ("name:", "name\":", "mein name ist", "je m'appelle", "me llamo"),
        folded=True,
        certain=False,
    ),
    Kind(
        "Street Address",
        "personal",
        re.compile(
            r"[0-9](?<![\w.,-].)[0-9]{0,4}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z0-9][\w'.-]{1,20} ){1,3}"
            r"(?:Street|St|Road|Rd|Avenue|Ave|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl"
            r"|Square|Terrace|Parkway|Pkwy|Highway|Hwy|Crescent)\b\.?"
            rf"{_FLAT}(?:, [A-Z][\w' .-]{{1,30}}(?:, [A-Z]{{2}})?,? (?:\d{{5}}(?:-\d{{4}})?"
            r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}))?"
        ),
        certain=False,
    ),
    Kind(
        "Street Address",
        "personal",
        re.compile(
            r"[A-ZÄÖÜ](?<!\w.)[\w-]{2,30}(?i:stra(?:ße|sse|at)|str\.|[wv]eg|vägen|gatan|platz|plein"
            r"|allee|gasse|laan|ring|damm) \d{1,4}[a-z]?(?:[/-]\d{1,4})?"
            r"(?:, \d{5} [A-ZÄÖÜ][\w-]{1,30})?(?!\w)"
        ),
        hints=("stra", "str. ", "weg ", "veg ", "vägen ", "gatan ", "platz ", "plein ", "allee ",
               "gasse ", "laan ", "damm "),
        certain=False,
    ),
    Kind(
        "Street Address",
        "personal",
        re.compile(
            r"(?:\d{1,4},? )?(?i:calle|avenida|paseo|via|viale|piazza|rua|ulica|ul\.|rue|avenue"
            r"|boulevard|chemin)(?: (?:de|del|da|do|dos|la|le|les|des|du)){0,2}"
            r"(?: [A-ZÀ-Þ][\w'.-]{1,20}){1,4}(?:(?<=\d)|,? \d{1,5}(?:/\d{1,4})?)?"
            rf"{_FLAT}(?!\w)"
        ),
        hints=("calle ", "avenida ", "paseo ", "via ", "viale ", "piazza ", "rua ", "ulica ",
               "ul. ", "rue ", "avenue ", "boulevard ", "chemin "),
        accept=lambda match: bool(re.search(r"\d", match.group())),
        certain=False,
    ),
    Kind(
        "Street Address",
        "personal",
        re.compile(
            r"(?i:i live (?:at|in)|(?:my|home|street|postal|shipping|billing) address(?: is|:)?"
            r"|address(?: is|:)|ship(?:ped)? (?:it )?to|deliver (?:it )?to|meet (?:me )?at)"
            r"[\"']?[ \t]{1,3}[\"']?(?P<value>\d{1,5}[A-Za-z]?,? "
            rf"(?:[A-ZÀ-Þ][\w'.-]{{1,20}}[ ]?){{1,5}}(?:\d{{1,5}})?{_FLAT}"
            r"|(?:[A-ZÀ-Þ][\w'./-]{1,24} |de |di |do |da |del |la |von |van ){0,6}"
            r"(?:[A-ZÀ-Þ][\w'./-]{1,24},? |[A-Z]\. )\d{1,5}[A-Za-z]?(?:[/-]\d{1,4})?"
            rf"{_FLAT})(?!\w)"
        ),
        ("i live", "my address", "home address", "street address", "postal address",
         "shipping address", "billing address", "address", "ship", "deliver", "meet"),
        folded=True,
        certain=False,
    ),
)  # fmt: skip
"""Told by the words around."""
