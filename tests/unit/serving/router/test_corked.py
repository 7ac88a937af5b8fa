"""Heads and bodies of answers go out together."""

from __future__ import annotations

import asyncio

from goldsmith.serving.router.corked import Corked

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """Where the bytes end."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One system call."""
        self.writes.append(bytes(data))

    def close(self) -> None:
        """No more bytes."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed


def test_an_answer_is_one_write() -> None:
    wire = Wire()
    corked = Corked(wire)
    for data in (HEAD, b"ok", b"more"):
        corked.write(data)
    assert wire.writes == [HEAD + b"ok", b"more"]


def test_a_head_without_a_body_goes_out_when_the_answer_is_over() -> None:
    wire = Wire()
    corked = Corked(wire)
    corked.write(HEAD)
    assert wire.writes == []
    corked.flush()
    corked.flush()
    assert wire.writes == [HEAD]


def test_what_was_written_goes_out_before_the_end() -> None:
    wire = Wire()
    corked = Corked(wire)
    corked.write(HEAD)
    corked.close()
    assert corked.is_closing()
    assert wire.writes == [HEAD]


def test_who_may_go_on_is_told_at_once() -> None:
    wire = Wire()
    Corked(wire).write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(wire.writes) == 1


def test_nothing_is_written_to_a_client_that_left() -> None:
    wire = Wire()
    corked = Corked(wire)
    corked.write(HEAD)
    wire.close()
    corked.flush()
    assert wire.writes == []
