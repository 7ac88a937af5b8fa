"""What headers ask of the route."""

from __future__ import annotations

import pytest

from goldsmith.serving.router.hints import (
    NO_HINTS,
    check_content,
    pick,
    read_hints,
    traceparent,
)
from goldsmith.serving.router.refusal import Refusal


def test_no_hint_is_no_condition() -> None:
    assert read_hints(pick([(b"host", b"x")])) is NO_HINTS


def test_every_hint_is_read() -> None:
    hints = read_hints(
        {
            b"x-slo-ttft-ms": b"250",
            b"x-max-cost": b"0.01",
            b"x-min-quality": b"0.8",
            b"x-priority": b"High",
            b"x-route-policy": b"cascade",
        }
    )
    assert (hints.slo_ttft_ms, hints.max_cost_usd, hints.min_quality) == (250.0, 0.01, 0.8)
    assert (hints.priority, hints.is_async, hints.policy) == (1, False, "cascade")


def test_async_is_the_lowest_priority() -> None:
    hints = read_hints({b"x-priority": b"async"})
    assert hints.is_async
    assert hints.priority < read_hints({b"x-priority": b"low"}).priority


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(b"x-slo-ttft-ms", b"0", id="no time"),
        pytest.param(b"x-slo-ttft-ms", b"nan", id="nan"),
        pytest.param(b"x-max-cost", b"-1", id="less than nothing"),
        pytest.param(b"x-min-quality", b"1.1", id="better than good"),
        pytest.param(b"x-min-quality", b"\xff", id="no text"),
        pytest.param(b"x-priority", b"root", id="unknown priority"),
    ],
)
def test_a_hint_that_makes_no_sense_is_refused_by_its_name(name: bytes, value: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_hints({name: value})
    assert (caught.value.status, caught.value.param) == (400, name.decode())


def test_a_header_that_comes_twice_is_refused() -> None:
    twice = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    with pytest.raises(Refusal, match="comes twice"):
        pick(twice)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 415, id="no type"),
        pytest.param({b"content-type": b"text/plain"}, 415, id="text"),
        pytest.param(
            {b"content-type": b"application/json", b"content-encoding": b"gzip"}, 415, id="gzip"
        ),
        pytest.param(
            {b"content-type": b"application/json", b"content-length": b"99999999999999999999999"},
            413,
            id="too long",
        ),
    ],
)
def test_a_body_that_is_not_plain_json_is_refused(headers: dict[bytes, bytes], status: int) -> None:
    with pytest.raises(Refusal) as caught:
        check_content(headers, 1000)
    assert caught.value.status == status


def test_only_a_well_formed_trace_context_goes_on() -> None:
    good = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    assert traceparent({b"traceparent": good}) == good.decode()
    assert traceparent({b"traceparent": good + b"\r\nx: y"}) == ""
