"""The decision log: every event and decision as a JSON line, after the configuration.

    {"config": {...}}
    {"Health": {...}}
    {"Arrived": {...}}
    {"Decision": {...}}

Each start of a router appends a configuration and goes on: its new brain knows nothing of before.
Lines wait in memory for a thread that writes them within FLUSH_S. Where the disk does not keep up
or refuses, lines are dropped and `{"lost": n}` stands for them: what follows up to the next
configuration cannot be decided again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from goldsmith.config.serving import ServingConfig
from goldsmith.errors import DataError
from goldsmith.serving.routing import events
from goldsmith.serving.routing.decision import Assessment, Decision
from goldsmith.serving.routing.events import Event

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
PENDING_MOST = 200_000
"""Lines that wait for the disk."""
FIX = "give a file that router.decision_log names"
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        events.Arrived,
        events.Sent,
        events.FirstByte,
        events.Ended,
        events.Judged,
        events.Health,
        events.Load,
        events.Endpoints,
        events.Adapters,
        events.Weight,
        Decision,
    )
}
Item = Event | Decision | dict[str, Any]
"""An event, a decision, or {"config": ...}."""


def line_of(item: Event | Decision) -> bytes:
    """An event or a decision as a line of the log."""
    return b'{"%s":%s}\n' % (type(item).__name__.encode(), orjson.dumps(item))


class DecisionLog:
    """Writes the log of one brain; `write` only appends to a list in memory."""

    def __init__(self, path: Path, config: ServingConfig) -> None:
        self.path = path
        self.lost = 0
        self._lost_noted = 0
        self._pending = deque([b'{"config":%s}\n' % orjson.dumps(config.model_dump(mode="json"))])
        self._stop = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b", buffering=0)
        self._torn = _is_torn(self._file)
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def write(self, item: Event | Decision) -> None:
        """Append an event as it is given to the brain, or the decision that it gave."""
        if len(self._pending) < PENDING_MOST:
            self._pending.append(line_of(item))
        else:
            self.lost += 1

    def close(self) -> None:
        """Write what is pending."""
        self._stop.set()
        self._thread.join()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [self._pending.popleft() for _ in range(len(self._pending))]
        if not lines:
            return
        text = b"\n" if self._torn else b""
        if gap := self.lost - self._lost_noted:
            text += b'{"lost":%d}\n' % gap
        text += b"".join(lines)
        try:
            done = self._file.write(text)
            while done < len(text):
                done += self._file.write(text[done:])
            self._torn, self._lost_noted = False, self._lost_noted + gap
        except OSError as error:
            self._torn, self.lost = True, self.lost + len(lines)
            logger.warning("decision log %s: %s; %d lines lost", self.path, error, self.lost)


def read_log(path: Path) -> Iterator[tuple[Item, bytes]]:
    """The configurations, events and decisions of a log, each with its line.

    Left out are a line that was torn (the last, or one before a start or a gap) and what follows a
    gap up to the next configuration.
    """
    torn, state = 0, ""
    for number, line in _lines(path):
        item = _item(line)
        if item is None:
            torn = torn or number
            continue
        if isinstance(item, dict):
            torn, state = 0, next(iter(item))
        if torn or not state:
            raise DataError(f"decision log {path}, line {torn or number}", why="no record", fix=FIX)
        if state == "config":
            yield item, line
    if not state:
        raise DataError(f"decision log {path}", why="it holds no configuration", fix=FIX)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from (pair for pair in enumerate(file, start=1) if pair[1] != b"\n")
    except OSError as error:
        raise DataError(f"decision log {path}", why=error.strerror or "", fix=FIX) from error


def _item(line: bytes) -> Item | None:
    """What a line holds; None: it is broken."""
    try:
        ((kind, fields),) = orjson.loads(line).items()
        if kind in ("config", "lost"):
            return {kind: fields}
        item: Event | Decision = KINDS[kind](**_frozen(fields))
        return item
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_torn(file: BinaryIO) -> bool:
    """Whether the file's last line has no end."""
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _frozen(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON fields as the records have them: tuples for lists."""
    frozen = {key: _tuple(value) for key, value in fields.items()}
    if "assessments" in fields:
        frozen["assessments"] = tuple(
            Assessment(**{key: _tuple(value) for key, value in found.items()})
            for found in fields["assessments"]
        )
    return frozen


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
