"""The chart through Helm's own engine, without a cluster and without the `helm` program."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

CHART = Path(__file__).resolve().parent / "goldsmith"
RELEASE, NAMESPACE = "goldsmith", "kubeflow"


@cache
def load() -> Chart:
    """The chart; its values are checked against its schema whenever it is rendered."""
    return Chart.load(CHART)


def values(*files: Path) -> dict[str, Any]:
    """Values files, a later one over an earlier one, mapping by mapping, as `helm` merges them."""
    merged: dict[str, Any] = {}
    for file in files:
        _merge(merged, yaml.safe_load(file.read_text(encoding="utf-8")))
    return merged


def render(given: dict[str, Any]) -> dict[str, str]:
    """Template path to text, hooks and tests included; HelmError if the chart refuses `given`."""
    texts = load().render(given, name=RELEASE, namespace=NAMESPACE)
    prefix = "goldsmith/templates/"
    return {path.removeprefix(prefix): text for path, text in sorted(texts.items()) if text.strip()}


def objects(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Every object that an installation with `given` creates."""
    return [found for text in manifests(given).values() for found in documents(text)]


def manifests(given: dict[str, Any]) -> dict[str, str]:
    """As `render`, without the notes."""
    return {path: text for path, text in render(given).items() if path.endswith(".yaml")}


@cache
def documents(text: str) -> tuple[dict[str, Any], ...]:
    """The objects of a rendered template, for reading: most templates seldom render otherwise."""
    return tuple(found for found in yaml.load_all(text, yaml.CSafeLoader) if found)


def _merge(base: dict[str, Any], top: dict[str, Any]) -> None:
    for key, value in top.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
