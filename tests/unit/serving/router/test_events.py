"""What becomes of a stream's bytes."""

from __future__ import annotations

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from goldsmith.serving.router.events import Events, text_of_events

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = b"data: [DONE]\n\n"


def event(text: str) -> bytes:
    return b"data: %b\n\n" % orjson.dumps({"choices": [{"delta": {"content": text}}]})


def usage() -> bytes:
    return b"data: %b\n\n" % orjson.dumps({"choices": [], "usage": USAGE})


def fed(stream: bytes, cuts: list[int], *, pass_usage: bool = True) -> tuple[Events, bytes]:
    """The stream in pieces that end at the cuts."""
    events, out, start = Events(pass_usage=pass_usage), b"", 0
    for cut in sorted({min(each, len(stream)) for each in cuts} | {len(stream)}):
        out += events.feed(stream[start:cut])
        start = cut
    return events, out


TEXTS = st.lists(st.text(max_size=12), min_size=1, max_size=6)
CUTS = st.lists(st.integers(0, 800), max_size=12)


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, cuts=CUTS)
def test_bytes_pass_untouched_however_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(event(each) for each in texts) + usage() + DONE
    events, out = fed(stream, cuts)
    assert out == stream
    assert (events.usage, events.done) == (USAGE, True)
    assert text_of_events(out) == "".join(texts)


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, cuts=CUTS)
def test_usage_that_nobody_asked_for_stays_here(texts: list[str], cuts: list[int]) -> None:
    answer = b"".join(event(each) for each in texts)
    events, out = fed(answer + usage() + DONE, cuts, pass_usage=False)
    assert out == answer + DONE
    assert events.usage == USAGE


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, cuts=CUTS)
def test_nothing_passes_after_the_engine_s_error(texts: list[str], cuts: list[int]) -> None:
    answer = b"".join(event(each) for each in texts)
    error = b'data: {"error": {"message": "out of memory"}}\n\n'
    events, out = fed(answer + error + event("more") + DONE, cuts)
    assert out == answer
    assert events.error == error


def test_half_an_event_is_held_back() -> None:
    events = Events(pass_usage=True)
    assert events.feed(event("a") + b'data: {"cho') == event("a")
    assert events.feed(b'ices": []}\n\n') == b'data: {"choices": []}\n\n'


def test_a_text_that_speaks_of_usage_is_no_usage() -> None:
    stream = event('"usage": {"prompt_tokens": 9}') + event("[DONE]") + DONE
    events, out = fed(stream, [])
    assert out == stream
    assert events.usage is None


def test_other_line_ends_pass_too() -> None:
    stream = (event("a") + DONE).replace(b"\n", b"\r\n")
    events, out = fed(stream, [7])
    assert (out, events.done) == (stream, True)
