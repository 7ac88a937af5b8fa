"""The page itself: every section is gathered alone, and what is missing becomes a sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from goldsmith.errors import ConflictError, GoldsmithError
from goldsmith.pipeline.report import judging, ledger, lesson, training
from goldsmith.pipeline.report.source import Missing, Source
from goldsmith.store.layout import run_key
from goldsmith.store.object_store import ObjectStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Section:
    """A part of the page: its facts, or the sentence that stands for them."""

    facts: Any = None
    missing: str = ""


def write_report(store: ObjectStore, run_id: str) -> str:
    """Write runs/<run_id>/report.html, anew if the run went on since; where it is."""
    key = run_key(run_id, "report.html")
    data = build_report(store, run_id).encode()
    try:
        store.create(key, data)
    except ConflictError:
        _, tag = store.get_tagged(key)
        store.replace(key, data, tag=tag)
    return f"{store.url}/{key}"


def build_report(
    store: ObjectStore, run_id: str, *, usd_per_core_hour: float = ledger.USD_PER_CORE_HOUR
) -> str:
    """The HTML of one run; RunError if there is no such run, and no other complaint."""
    source = Source(store, run_id)
    document = source.config
    sections: dict[str, Callable[[], Any]] = {
        "verdict": lambda: judging.verdict(source),
        "levels": lambda: judging.levels(source),
        "groups": lambda: judging.groups(source),
        "verbs": lambda: judging.verbs(source),
        "lesson": lambda: lesson.lesson(source),
        "lore": lambda: lesson.lore(source),
        "srl": lambda: training.curves(source, "train_srl"),
        "rlvr": lambda: training.curves(source, "train_rlvr"),
        "readiness": lambda: training.readiness(source),
        "steps": lambda: ledger.steps(source, usd_per_core_hour=usd_per_core_hour),
        "lineage": lambda: ledger.lineage(source),
        "rollback": lambda: ledger.rollback(source),
    }
    gathered = {name: _gather(name, work) for name, work in sections.items()}
    ended = {name: source.manifest.get(name, "") for name in ("status", "at_step", "cause")}
    return _render(run={**document, **document["context"], **ended}, **gathered)


def _gather(name: str, work: Callable[[], Any]) -> Section:
    """A section's facts. A report must never fail a run, so whatever is odd becomes a sentence."""
    try:
        return Section(work())
    except Missing as missing:
        return Section(missing=str(missing))
    except GoldsmithError as error:
        return Section(missing=f"This part cannot be read: {error}.")
    except Exception as error:
        logger.warning("Report section %s: %s: %s", name, type(error).__name__, error)
        return Section(missing=f"This part cannot be shown: {type(error).__name__}: {error}.")


def _render(**facts: Any) -> str:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=_percent, clock=_clock, short=_short)
    here = files("goldsmith.pipeline.report")
    style = Markup((here / "report.css").read_text(encoding="utf-8"))
    template = environment.from_string((here / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(style=style, **facts)


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}%"


def _clock(seconds: float) -> str:
    """12 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _short(digest: str) -> str:
    return digest[:12]
