"""Heads and bodies of answers go out together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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


def written(act: Callable[[Corked], None]) -> tuple[list[bytes], list[bytes]]:
    """What is written at once, and in all after a turn of the loop."""

    async def run() -> tuple[list[bytes], list[bytes]]:
        wire = Wire()
        act(Corked(wire, asyncio.get_running_loop()))
        at_once = list(wire.writes)
        await asyncio.sleep(0)
        return at_once, wire.writes

    return asyncio.run(run())


def test_an_answer_is_one_write() -> None:
    def act(corked: Corked) -> None:
        corked.write(HEAD)
        corked.write(b"ok")
        corked.write(b"more")

    assert written(act)[0] == [HEAD + b"ok", b"more"]


def test_a_head_without_a_body_goes_out_within_the_turn() -> None:
    at_once, later = written(lambda corked: corked.write(HEAD))
    assert (at_once, later) == ([], [HEAD])


def test_what_was_written_goes_out_before_the_end() -> None:
    def act(corked: Corked) -> None:
        corked.write(HEAD)
        corked.close()
        assert corked.is_closing()

    at_once, later = written(act)
    assert at_once == later == [HEAD]


def test_nothing_is_written_to_a_client_that_left_within_the_turn() -> None:
    async def run() -> list[bytes]:
        wire = Wire()
        Corked(wire, asyncio.get_running_loop()).write(HEAD)
        wire.close()
        await asyncio.sleep(0)
        return wire.writes

    assert asyncio.run(run()) == []
