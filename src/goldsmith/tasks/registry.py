"""Finds domains by name: the two that ship, and plug-ins by the entry point `goldsmith.domains`."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from goldsmith.errors import ConfigError, DomainError
from goldsmith.tasks.domain import Domain

GROUP = "goldsmith.domains"
_BUILT_IN = {
    "cooking": "goldsmith.tasks.cooking.domain:CookingDomain",
    "reasoning": "goldsmith.tasks.reasoning.domain:ReasoningDomain",
}


def domain_names() -> list[str]:
    """Every name that `find_domain` knows, sorted."""
    return sorted(_entries())


@cache
def find_domain(name: str) -> Domain:
    """The domain of that name, imported on first use, one object a process.

    ConfigError for an unknown name, with the nearest known one; DomainError if the plug-in raises
    when it is imported or made, or is no `Domain`.
    """
    entries = _entries()
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(sorted(entries))}"
        raise ConfigError(f"unknown domain {name!r}", fix=fix)
    try:
        domain = entries[name].load()()
    except Exception as error:
        extra = f"install goldsmith[{name}]" if name in _BUILT_IN else "mend the plug-in"
        raise DomainError(
            f"domain {name} ({entries[name].value}) cannot be loaded",
            why=f"{type(error).__name__}: {error}",
            fix=extra,
        ) from error
    if not isinstance(domain, Domain):
        raise DomainError(f"domain {name} ({entries[name].value})", why="it is no Domain")
    return domain


def _entries() -> dict[str, EntryPoint]:
    """Plug-ins cannot replace a domain that ships."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    built_in = {name: EntryPoint(name, value, GROUP) for name, value in _BUILT_IN.items()}
    return found | built_in
