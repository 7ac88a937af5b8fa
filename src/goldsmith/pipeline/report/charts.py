"""Charts of the report as inline SVG: matplotlib draws, the page's style sheet colours.

Every colour is a placeholder that becomes a CSS variable, so that one drawing fits light and dark;
text keeps the page's font; names inside a drawing are unique, since the page holds many.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

COLOURS = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "candidate": "#040404",
    "live": "#050505",
    "good": "#060606",
    "bad": "#070707",
}
"""CSS variable to the placeholder that it replaces."""
_SIZE = (4.6, 2.5)
"""Inches; about the width of a phone at 1:1, and half a page."""
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["grid"],
    "ytick.color": COLOURS["grid"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "ytick.major.size": 0,
    "text.color": COLOURS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.transparent": True,
}


@dataclass(frozen=True)
class Line:
    """One curve over the updates of a stage."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = "candidate"
    spread: Sequence[float] = ()
    """Half the height of a band around it."""
    most: float = math.inf
    """Where the band is cut off: no value is above it."""


@dataclass(frozen=True)
class Estimate:
    """A share of games with its interval."""

    mean: float
    low: float
    high: float


def curves(name: str, lines: Sequence[Line], *, share: bool = False) -> str:
    """Curves over updates; `share` fixes the axis to 0..100%."""
    with _drawing(name) as (axes, drawn):
        for line in lines:
            colour = COLOURS[line.colour]
            axes.plot(line.x, line.y, color=colour, label=line.label)
            if line.spread:
                band = list(zip(line.y, line.spread, strict=True))
                low = [y - half for y, half in band]
                high = [min(y + half, line.most) for y, half in band]
                axes.fill_between(line.x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xlabel("update")
        axes.locator_params(axis="x", integer=True)
        axes.margins(x=0.02)
        if share:
            _percent_axis(axes.yaxis)
            axes.set_ylim(-0.03, 1.03)
        if len(lines) > 1:
            axes.legend(
                loc="lower left", bbox_to_anchor=(0, 1), ncols=len(lines), borderaxespad=0.2
            )
    return drawn[0]


def wins(name: str, rows: Mapping[str, Mapping[Any, Estimate]]) -> str:
    """Candidate and live, one above the other, for each level: share of games with interval."""
    with _drawing(name, height=0.9 + 0.62 * len(rows)) as (axes, drawn):
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        for place, sides in enumerate(rows.values()):
            for offset, side in ((-0.16, "candidate"), (0.16, "live")):
                value, at, colour = sides[side], place + offset, COLOURS[side]
                axes.plot([value.low, value.high], [at, at], color=colour, solid_capstyle="round")
                axes.plot(value.mean, at, "o", color=colour, markersize=7, label=_once(side, place))
                axes.annotate(
                    f"{value.mean:.0%}",
                    (value.high, at),
                    xytext=(7, 0),
                    textcoords="offset points",
                    va="center",
                    color=colour,
                )
        axes.set_yticks(range(len(rows)), list(rows), color=COLOURS["ink"])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-0.03, 1.12)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        _percent_axis(axes.xaxis)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return drawn[0]


def stacked(name: str, rows: Mapping[str, Mapping[str, int]], colours: Mapping[str, str]) -> str:
    """One bar a row, split into counted parts; `colours` gives parts in order."""
    with _drawing(name, height=0.9 + 0.45 * len(rows)) as (axes, drawn):
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        left = [0] * len(rows)
        for part, colour in colours.items():
            counts = [row.get(part, 0) for row in rows.values()]
            axes.barh(
                range(len(rows)), counts, left=left, color=COLOURS[colour], label=part, height=0.6
            )
            left = [start + count for start, count in zip(left, counts, strict=True)]
        axes.set_yticks(range(len(rows)), list(rows), color=COLOURS["ink"])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("tasks")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(colours), borderaxespad=0.2)
    return drawn[0]


def _once(label: str, place: int) -> str:
    return label if place == 0 else "_"


def _percent_axis(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1, decimals=0))


@contextmanager
def _drawing(name: str, *, height: float = _SIZE[1]) -> Iterator[tuple[Any, list[str]]]:
    """Axes to draw on, and a list that holds the SVG once the block is left."""
    import matplotlib
    from matplotlib.figure import Figure

    drawn: list[str] = []
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
        yield figure.add_subplot(), drawn
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawn.append(_inline(buffer.getvalue(), name))


def _inline(text: str, name: str) -> str:
    """A drawing without what only a file of its own needs, coloured by CSS variables."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r' id="[a-zA-Z][a-zA-Z0-9.]*_\d+"', "", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for variable, placeholder in COLOURS.items():
        text = text.replace(placeholder, f"var(--{variable})")
    head, _, rest = text.partition(">")
    label = escape(name)
    return f'{head} role="img" aria-label="{label}"><title>{label}</title>{rest.strip()}'
