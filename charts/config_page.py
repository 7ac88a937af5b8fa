"""docs/serving-config.md: every field of the file that all of serving reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from charts.readme import fields
from goldsmith.config.serving import ServingConfig

HEAD = """\
# The configuration of serving

One YAML file, which the router, the adapter controller and the trace collector read. `goldsmith
serve` writes one for a laptop; the chart renders one from `serving.config` and fills in addresses,
ports and folders. Times are in ms or s as the names say, prices in USD per million tokens. An
unknown field is an error that names the nearest one.

Made by `make render` from `goldsmith/config/serving.py`.
"""
_REFERENCE = re.compile(r"#/\$defs/(\w+)")


def text() -> str:
    """The page."""
    document = ServingConfig.model_json_schema()
    parts = [HEAD, *_table("The file", "", document)]
    for name, definition in document["$defs"].items():
        parts += _table(name, " ".join(definition.get("description", "").split()), definition)
    return "\n".join(parts).rstrip() + "\n"


def _table(title: str, said: str, definition: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    if said:
        yield f"{said}\n"
    yield "| Field | Default | Meaning |"
    yield "|---|---|---|"
    properties = {name: _pointed(field) for name, field in definition["properties"].items()}
    yield from fields({**definition, "properties": properties})
    yield ""


def _pointed(field: dict[str, Any]) -> dict[str, Any]:
    """A field that holds a section says which, instead of the section's own defaults."""
    found = _REFERENCE.search(json.dumps(field))
    if not found:
        return field
    said = f"{field.get('description', '')} See [{found[1]}](#{found[1].lower()})."
    return {"description": said.strip()}
