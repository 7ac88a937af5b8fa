"""Text that must not reach a model or a tokenizer: orders, control tokens, hidden characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from goldsmith.data.defects.catalogue import Problems
from goldsmith.data.defects.private import private

SPECIAL = re.compile(
    r"<\|[A-Za-z_][\w|-]{0,40}\|>|</?s>|<(?:unk|pad|bos|eos|mask)>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<\uff5c[^>]{1,40}\uff5c>"
)
THINK = re.compile(r"</?think>", re.IGNORECASE)
INJECTION = re.compile(
    r"(?:ignore|disregard|forget) (?:\w+ ){0,3}(?:previous|prior|above|earlier|preceding) "
    r"(?:\w+ ){0,2}(?:instruction|prompt|message|rule|text)"
    r"|(?:reveal|print|repeat|show) (?:\w+ ){0,2}system prompt"
    r"|you are now (?:in )?(?:dan|developer mode|jailbroken)"
    r"|(?:^|\n)\s*(?:###\s*)?(?:system|assistant)\s*(?::|\n|prompt)"
    r"|(?:do not|don't) tell the (?:user|verifier)"
    r"|pretend (?:that )?(?:you are|to be) (?:an? )?(?:unrestricted|uncensored)"
)
INJECTION_WORDS = ("ignore", "disregard", "forget", "system", "you are now", "assistant",
                   "tell the", "pretend")  # fmt: skip
INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
MOJIBAKE = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac[\u0080-\uffff]|\u00f0\u0178")


def unsafe(texts: Sequence[str]) -> Problems:
    """What is wrong with any of a record's texts, each problem once."""
    if next(_unsafe("\n".join(texts)), None) is not None:  # rarely: so one look at all of them
        yield from dict.fromkeys(problem for text in texts for problem in _unsafe(text))


def _unsafe(text: str) -> Problems:
    if ("<" in text or "[" in text) and (match := SPECIAL.search(text)):
        yield "special-token", f"{match.group()!r}"
    if "<" in text and (match := THINK.search(text)):
        yield "think-tags", f"{match.group()!r}"
    lowered = text.lower()
    hinted = any(word in lowered for word in INJECTION_WORDS)
    if hinted and (match := INJECTION.search(lowered)):
        yield "prompt-injection", f"{match.group().strip()!r}"
    if not text.isprintable() and (match := CONTROL.search(text)):
        yield "control-characters", f"U+{ord(match.group()):04X}"
    if not text.isascii():
        yield from _unicode(text)
    yield from private(text)


def _unicode(text: str) -> Problems:
    if match := INVISIBLE.search(text):
        yield "invisible-characters", f"U+{ord(match.group()):04X}"
    if "\ufffd" in text:
        yield "replacement-character", "U+FFFD, something was not decoded"
    if match := MOJIBAKE.search(text):
        yield "mojibake", f"{match.group()!r} looks like UTF-8 read as something else"
    if not unicodedata.is_normalized("NFC", text):
        yield "not-normalised", "the text is not in NFC"
