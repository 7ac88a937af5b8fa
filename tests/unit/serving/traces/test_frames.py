"""Whole records come back, torn and damaged ones do not, and never cost their neighbours."""

from hypothesis import given
from hypothesis import strategies as st

from goldsmith.serving.traces.frames import framed, parse

RECORDS = st.lists(st.binary(max_size=60), max_size=8)


@given(RECORDS)
def test_what_was_framed_comes_back(records):
    parsed = parse(framed(records))
    assert list(parsed.records) == records and not parsed.damaged


@given(RECORDS, st.binary(max_size=40), st.data())
def test_a_tail_torn_at_any_byte_is_cut_off(records, last, data):
    whole, torn = framed(records), framed([last])
    cut = data.draw(st.integers(0, len(torn) - 1))
    parsed = parse(whole + torn[:cut])
    assert list(parsed.records) == records and parsed.end == len(whole)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=2, max_size=6), st.data())
def test_a_damaged_byte_costs_one_record(records, data):
    content = bytearray(framed(records))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    found = parse(bytes(content)).records
    assert set(found) <= {*records, *_parts(records)}
    missing = list(records)
    for record in found:
        if record in missing:
            missing.remove(record)
    assert len(missing) <= 1


def _parts(records):
    """A record that holds a frame of its own may give that one away when it is damaged."""
    return [part for record in records for part in parse(record).records]
