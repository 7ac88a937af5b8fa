"""Kinds of personal data that only the words around them give away."""

from __future__ import annotations

import re

from goldsmith.data.sensitive.checksums import digits
from goldsmith.data.sensitive.kinds import Kind, Match
from goldsmith.data.sensitive.personal import DATE

_YEAR = re.compile(r"(?:19|20)\d\d\Z")


def _said_phone(match: Match) -> bool:
    number = digits(match["value"])
    return 7 <= len(number) <= 15 and not DATE.match(match["value"])


def _identity(match: Match) -> bool:
    value = match["value"]
    plain = sum(c.isdigit() for c in value) >= 4
    return plain and not DATE.match(value) and not _YEAR.match(value)


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
            r"|identity card|id card|tax(?:payer)? id|tax file|social security|ssn|nhs"
            r"|steuer-?id|personalausweis|reisepass|patient id|medical record|account|policy)"
            rf"{_IS}(?P<value>(?-i:[A-Z]{{0,3}}[ -]?\d[A-Z0-9]{{0,15}}"
            r"(?:[ -]\d[A-Z0-9]{0,8}){0,5}(?:[ -]?[A-Z])?))(?![\w-])",
            re.IGNORECASE,
        ),
        ("passport", "driv", "national id", "identity card", "id card", "tax", "social security",
         "ssn", "nhs", "steuer", "personalausweis", "reisepass", "patient id", "medical record",
         "account", "policy"),
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
STREETS = (
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
)
"""They begin with a number and a capital."""
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
            r"[A-ZÄÖÜ](?<!\w.)[\w-]{2,30}(?i:stra(?:ße|sse|at)|str\.|[wv]eg|vägen|gatan|platz|plein"
            r"|allee|gasse|laan|ring|damm) \d{1,4}[a-z]?(?:[/-]\d{1,4})?"
            r"(?:, \d{5} [A-ZÄÖÜ][\w-]{1,30})?(?!\w)"
        ),
        hints=("stra", "str.", "weg", "veg", "vägen", "gatan", "platz", "plein", "allee", "gasse",
               "laan", "damm"),
        certain=False,
    ),
    Kind(
        "Street Address",
        "personal",
        re.compile(
            r"(?:\d{1,4},? )?(?i:calle|avenida|paseo|via|viale|piazza|rua|ul\.|ulica|rue|avenue"
            r"|boulevard|chemin)(?: (?:de|del|da|do|dos|la|le|les|des|du)){0,2}"
            r"(?: [A-ZÀ-Þ][\w'.-]{1,20}){1,4}(?:(?<=\d)|,? \d{1,5}(?:/\d{1,4})?)?"
            rf"{_FLAT}(?!\w)"
        ),
        hints=("calle", "avenida", "paseo", " via", "piazza", " rua", "ul. ", "ulica", " rue",
               "avenue", "boulevard", "chemin"),
        accept=lambda match: bool(re.search(r"\d", match.group())),
        certain=False,
    ),
    Kind(
        "Street Address",
        "personal",
        re.compile(
            r"(?i:i live (?:at|in)|address(?: is|:)?|ship(?:ped)? (?:it )?to|deliver (?:it )?to"
            r"|meet (?:me )?at)"
            r"[\"']?[ \t]{1,3}[\"']?(?P<value>\d{1,5}[A-Za-z]?,? "
            rf"(?:[A-ZÀ-Þ][\w'.-]{{1,20}}[ ]?){{1,5}}(?:\d{{1,5}})?{_FLAT}"
            r"|(?:[A-ZÀ-Þ][\w'./-]{1,24} |de |di |do |da |del |la |von |van ){0,6}"
            r"(?:[A-ZÀ-Þ][\w'./-]{1,24},? |[A-Z]\. )\d{1,5}[A-Za-z]?(?:[/-]\d{1,4})?"
            rf"{_FLAT})(?!\w)"
        ),
        ("i live", "address", "ship", "deliver", "meet"),
        folded=True,
        certain=False,
    ),
)  # fmt: skip
"""Told by the words around."""
