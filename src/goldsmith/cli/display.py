"""Live progress of a run: a bar and an ETA a step, or plain lines when nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from goldsmith.cli.options import seconds

PLAIN_EVERY_S = 5.0


@dataclass
class StepView:
    """What is known of one step while it runs."""

    name: str
    expected_s: float | None = None
    """How long it took in an earlier run like this one."""
    state: str = "waiting"
    began: float = 0.0
    took: float = 0.0
    done: int = 0
    total: int = 0
    text: str = ""

    def elapsed(self, now: float) -> float:
        """Seconds since it began."""
        return now - self.began if self.state == "running" else self.took

    def left(self, now: float) -> float | None:
        """Seconds that it still needs; None if nothing is known."""
        if self.state in ("done", "failed"):
            return 0.0
        if self.state == "running" and self.done:
            return self.elapsed(now) * (self.total - self.done) / self.done
        if self.expected_s is None:
            return None
        return max(0.0, self.expected_s - (self.elapsed(now) if self.state == "running" else 0.0))


class Display:
    """A context; call it with the new progress lines, as often as possible."""

    def __init__(
        self,
        steps: Sequence[str],
        *,
        title: str,
        expected_s: Mapping[str, float] | None = None,
        quiet: bool = False,
    ) -> None:
        expected = expected_s or {}
        self.steps = {name: StepView(name, expected.get(name)) for name in steps}
        self._title, self._quiet = title, quiet
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._said = 0.0
        self._began = time.time()

    def __enter__(self) -> Display:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(self._render(), console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._render(), refresh=True)
            self._live.stop()

    def __call__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Take new progress lines in and show them."""
        for line in lines:
            self._take(line)
        if self._live:
            self._live.update(self._render(), refresh=True)

    def _take(self, line: Mapping[str, Any]) -> None:
        view = self.steps.setdefault(line["step"], StepView(line["step"])) if line["step"] else None
        if view is None:
            return
        match line.get("event"):
            case "started":
                view.state, view.began = "running", line["t"]
                self._say(f"{view.name}: started")
            case "finished" | "failed" as event:
                view.state = "done" if event == "finished" else "failed"
                view.took = line["t"] - view.began
                self._say(f"{view.name}: {view.state} in {seconds(view.took)}")
            case _:
                view.done, view.total, view.text = line["done"], line["total"], line["text"]
                self._say_progress(view, line["t"])

    def _say_progress(self, view: StepView, now: float) -> None:
        if now - self._said < PLAIN_EVERY_S:
            return
        self._said = now
        left = view.left(now)
        eta = "" if left is None else f", ETA {seconds(left)}"
        self._say(f"{view.name}: {view.done}/{view.total}{eta} {view.text}".rstrip())

    def _say(self, text: str) -> None:
        if not self._live and not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def _render(self) -> Group:
        now = time.time()
        grid = Table.grid(padding=(0, 1), expand=True)
        for width in (13, 20):
            grid.add_column(no_wrap=True, min_width=width)
        for width in (7, 5, 6):
            grid.add_column(justify="right", no_wrap=True, min_width=width)
        grid.add_column(no_wrap=True, ratio=1)
        grid.add_row("", "", "", "time", "ETA", "", style="dim")
        for view in self.steps.values():
            grid.add_row(*self._row(view, now))
        return Group(Text(self._headline(now), style="bold"), grid)

    def _row(self, view: StepView, now: float) -> tuple[Any, ...]:
        left = view.left(now)
        share = {"waiting": 0.0, "done": 1.0}.get(view.state, view.done / max(view.total, 1))
        style = {"done": "green", "failed": "red", "running": "bold"}.get(view.state, "dim")
        counts = f"{view.done}/{view.total}" if view.total else ""
        return (
            Text(view.name, style=style),
            ProgressBar(
                total=1.0, completed=share, width=20, complete_style="cyan", finished_style="green"
            ),
            counts,
            seconds(view.elapsed(now)) if view.state != "waiting" else "",
            {"done": "done", "failed": "failed"}.get(view.state) or (seconds(left) or "?"),
            Text(view.text if view.state == "running" else "", style="dim", overflow="ellipsis"),
        )

    def _headline(self, now: float) -> str:
        lefts = [view.left(now) for view in self.steps.values()]
        known = [left for left in lefts if left is not None]
        eta = f", about {seconds(sum(known))} left" if len(known) == len(lefts) else ""
        return f"{self._title}  {seconds(now - self._began)}{eta}"
