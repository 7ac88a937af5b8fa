"""The short way of a chunk to its client."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

from goldsmith.serving.router.wire import Link


def shortened() -> tuple[Link, FlowControl, list[bytes]]:
    """A link, how its client reads, and what was written."""
    transport: Any = None
    link, flow, written = Link(), FlowControl(transport), []
    link.shorten(written.append, flow)
    return link, flow, written


def test_a_chunk_is_framed_as_http_says() -> None:
    link, _, written = shortened()
    assert link.write_chunk(b"data: {}\n\n" * 2)
    assert written == [b"14\r\ndata: {}\n\ndata: {}\n\n\r\n"]


def test_a_client_that_does_not_read_is_waited_for_by_send() -> None:
    link, flow, written = shortened()
    flow.pause_writing()
    assert not link.write_chunk(b"x")
    flow.resume_writing()
    assert link.write_chunk(b"x")
    assert written == [b"1\r\nx\r\n"]


def test_nothing_is_written_to_a_client_that_is_gone() -> None:
    link, _, written = shortened()
    link.lost()
    assert not link.write_chunk(b"x")
    assert written == []


def test_under_a_server_that_is_not_ours_every_chunk_goes_by_send() -> None:
    assert not Link().write_chunk(b"x")
