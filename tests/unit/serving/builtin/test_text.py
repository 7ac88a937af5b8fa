"""Text comes out whole, once, and never beyond a stop string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goldsmith.serving.builtin.text import TextStream

WORDS = ["a", "b", "ab", "é", "日本", "\N{GRINNING FACE}", "<s>", " "]
BYTES = [bytes([byte]) for word in WORDS for byte in word.encode()]


def decode(ids: list[int]) -> str:
    """Each id is a byte: characters may be cut anywhere."""
    return bytes(ids).decode(errors="replace")


@given(
    st.lists(st.sampled_from(WORDS)),
    st.lists(st.sampled_from(["ab", "b<", "日", "aba"]), max_size=2),
)
def test_told_pieces_are_the_text_before_the_first_stop(words: list[str], stops: list[str]) -> None:
    text = "".join(words)
    stream, told = TextStream(decode, stops), ""
    for byte in text.encode():
        stream.add(byte)
        told += stream.tell()
        assert not any(stop in told for stop in stops)
        if stream.stopped:
            break
    stream.end()
    told += stream.tell(last=True)
    ends = [text.index(stop) for stop in stops if stop in text]
    if stream.stopped:
        assert told == stream.text
        assert any(text.startswith(told + stop) for stop in stops)
        assert len(told) >= min(ends)
    else:
        assert told == text and not ends


def test_character_comes_only_when_its_last_byte_does() -> None:
    stream = TextStream(decode, ())
    told = []
    for byte in "é!".encode():
        stream.add(byte)
        told.append(stream.tell())
    assert told == ["", "é", "!"]


def test_unfinished_character_is_told_at_the_end() -> None:
    stream = TextStream(decode, ())
    stream.add("é".encode()[0])
    assert stream.tell() == ""
    stream.end()
    assert stream.tell(last=True) == "\N{REPLACEMENT CHARACTER}"


def test_start_of_a_stop_is_held_until_it_is_none() -> None:
    stream = TextStream(decode, ["END"])
    told = []
    for byte in b"aENb":
        stream.add(byte)
        told.append(stream.tell())
    assert told == ["a", "", "", "ENb"]
