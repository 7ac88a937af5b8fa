"""Levels belong to the domain, so a configuration is checked against it before a run begins."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from goldsmith.config.load import profiles
from goldsmith.config.run import RunConfig
from goldsmith.errors import ConfigError
from goldsmith.tasks.registry import find_domain


def check_levels(config: RunConfig) -> None:
    """ConfigError at the first level that the domain does not have, or for an unknown domain."""
    levels = find_domain(config.domain).levels
    for key, level in _levels(config):
        if level not in levels:
            raise ConfigError(
                f"unknown level {level!r} at {key}",
                why=f"{config.domain} has {', '.join(levels)}",
                fix=_advice(config.domain, level, levels),
            )


def _levels(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Key and level of everything that asks for a level."""
    for number, mix in enumerate(config.collaborate.tasks):
        yield f"collaborate.tasks.{number}.level", mix.level
    for number, suite in enumerate(config.evaluate.suites):
        yield f"evaluate.suites.{number}.level", suite.level


def _advice(domain: str, level: str, levels: Sequence[str]) -> str:
    """The nearest level, if one is near, and the profile of the domain, if one ships."""
    near = difflib.get_close_matches(level, levels, n=1, cutoff=0.4)
    advice = f"did you mean {near[0]}?" if near else "use one of these"
    return f"{advice} (--profile {domain} names a set)" if domain in profiles() else advice
