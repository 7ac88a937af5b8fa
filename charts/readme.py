"""The tables of the chart's README, from the comments of values.yaml and from the schema."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

VALUES = Path(__file__).resolve().parent / "goldsmith" / "values.yaml"


class Value(NamedTuple):
    """One documented value."""

    key: str
    default: Any
    description: str


def text(readme: Path, schema: Path) -> str:
    """The README with its tables written anew."""
    definitions = json.loads(schema.read_text(encoding="utf-8"))["$defs"]
    page = readme.read_text(encoding="utf-8")
    page = _put(
        page, "values", [_row(v.key, _code(v.default), v.description) for v in documented()]
    )
    for name in ("Pool", "Hardware", "ServedTier"):
        page = _put(page, name.lower(), list(fields(definitions[name])))
    return page


def documented() -> Iterator[Value]:
    """Every value with a `# --` sentence above it."""
    source = VALUES.read_text(encoding="utf-8")
    defaults = yaml.safe_load(source)
    path: list[str] = []
    comment: list[str] = []
    for line in source.splitlines():
        if match := re.match(r"^\s*# (-- )?(.*)$", line):
            comment = [match[2]] if match[1] else [*comment, match[2]] if comment else []
        elif match := re.match(r"^((?:  )*)(\w+):", line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if comment:
                yield Value(".".join(path), _at(defaults, path), " ".join(comment))
            comment = []
        else:
            comment = []


def _at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values


def fields(definition: dict[str, Any]) -> Iterator[str]:
    """A row for each field of a section's schema."""
    for name, field in definition["properties"].items():
        description = " ".join(field.get("description", "").split())
        if choices := [f"`{choice}`" for choice in field.get("enum", []) if choice]:
            description = f"{' or '.join(choices)}. {description}".strip()
        default = _code(field["default"]) if "default" in field else ""
        yield _row(
            name, "required" if name in definition.get("required", ()) else default, description
        )


def _code(default: Any) -> str:
    return f"`{json.dumps(default)}`"


def _row(key: str, default: str, description: str) -> str:
    return f"| `{key}` | {default} | {description} |"


def _put(page: str, mark: str, rows: list[str]) -> str:
    """`page` with `rows` as the table between `<!-- mark -->` and `<!-- end -->`."""
    head, found, rest = page.partition(f"<!-- {mark} -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not (found and end):
        raise ValueError(f"README has no table {mark}")
    table = ["| Value | Default | What |", "|---|---|---|", *rows]
    return head + found + "\n".join(table) + "\n" + end + tail
