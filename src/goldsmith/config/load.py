"""From a profile or file and dotted flags to a valid `RunConfig`; each mistake is one line.

    load_config("laptop", overrides=["srl.group_size=4", "seed=1"])

Defaults < YAML < flags. A flag's value is YAML, `evaluate.suites.0.games=8` reaches into a list.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from goldsmith.config.run import RunConfig, Section
from goldsmith.errors import ConfigError

DEFAULT_PROFILE = "laptop"
_PROFILES = files("goldsmith.config") / "profiles"


def profiles() -> list[str]:
    """Names of the profiles that ship with the package."""
    names = (entry.name for entry in _PROFILES.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_config(
    profile: str = DEFAULT_PROFILE,
    *,
    file: Path | None = None,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """The config of a profile, or of `file`, with dotted flags on top; ConfigError on a mistake."""
    source, text = (str(file), read_config(file)) if file else (profile, _profile(profile))
    values = merge(_defaults(), parse_mapping(text, source=source))
    for flag in overrides:
        set_flag(values, flag)
    return validate_config(values)


def validate_config(values: Mapping[str, Any]) -> RunConfig:
    """`values` as a RunConfig; ConfigError names the first mistake and what would be right."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise explain_mistake(error, RunConfig) from None


def parse_section(name: str, values: Mapping[str, Any]) -> Section:
    """The section `name` of a RunConfig, defaults for what is left out; ConfigError."""
    config = validate_config({name: dict(values)})
    sections = {f.alias or key: getattr(config, key) for key, f in RunConfig.model_fields.items()}
    section: Section = sections[name]
    return section


def nearest(name: str, names: Iterable[str]) -> str:
    """`did you mean X?` if a name is close to it, else the list of names."""
    names = sorted(names)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]}?"
    return f"there are: {', '.join(names)}"


def _defaults() -> dict[str, Any]:
    return RunConfig().model_dump(mode="json")


def _profile(name: str) -> str:
    if name not in profiles():
        raise ConfigError(f"unknown profile {name!r}", fix=nearest(name, profiles()))
    return (_PROFILES / f"{name}.yaml").read_text(encoding="utf-8")


def read_config(path: Path) -> str:
    """The text of a configuration file; ConfigError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read config {path}", why=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read config {path}", why="it is not UTF-8 text") from None


def parse_mapping(text: str, *, source: str) -> dict[str, Any]:
    """The YAML mapping `text`; ConfigError if it is none."""
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"config {source} is not YAML", why=why) from None
    if not isinstance(values, dict):
        raise ConfigError(f"config {source} is not a mapping", fix="write `section: {key: value}`")
    return values


def merge(base: dict[str, Any], top: Mapping[Any, Any]) -> dict[str, Any]:
    """`top` over `base`, mapping by mapping; a list replaces a list."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping)
        merged[str(key)] = merge(old, value) if both else value  # type: ignore[arg-type]  # both
    return merged


def set_flag(values: dict[str, Any], flag: str) -> None:
    """Set one `dotted.key=value` in place."""
    key, equals, text = flag.partition("=")
    if not equals or not key:
        raise ConfigError(f"flag {flag!r} is not key=value", fix="e.g. srl.group_size=4")
    *path, last = key.split(".")
    node: Any = values
    for name in path:
        node = _child(node, name, key=key)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    if isinstance(node, list):
        _child(node, last, key=key)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise _no_keys(key, ".".join(path))


def _child(node: Any, name: str, *, key: str) -> Any:
    if isinstance(node, dict):
        return node.setdefault(name, {})
    if isinstance(node, list) and name.isdigit() and int(name) < len(node):
        return node[int(name)]
    if isinstance(node, list):
        raise ConfigError(f"{key}: no item {name!r}", fix=f"use 0 to {len(node) - 1}")
    raise _no_keys(key, key.rpartition(f".{name}")[0])


def _no_keys(key: str, parent: str) -> ConfigError:
    return ConfigError(f"unknown key {key!r}", why=f"{parent} is a value and has no keys")


def explain_mistake(error: ValidationError, root: type[BaseModel]) -> ConfigError:
    """One line for the first mistake; unknown keys come first, since they cause the others."""
    mistakes = error.errors(include_url=False)
    mistake = next((m for m in mistakes if m["type"] == "extra_forbidden"), mistakes[0])
    key = ".".join(str(part) for part in mistake["loc"] if part != "[key]")  # of a mapping
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    if mistake["type"] == "extra_forbidden":
        return ConfigError(f"unknown key {key!r}{more}", fix=_nearest_key(mistake["loc"], root))
    if mistake["type"] == "missing":
        return ConfigError(f"missing key {key!r}{more}")
    why = mistake["msg"].removeprefix("Value error, ")
    why = why[:1].lower() + why[1:]
    if not key:
        return ConfigError(f"impossible configuration{more}", why=why)
    return ConfigError(f"impossible value {key} = {mistake['input']!r}{more}", why=why)


def _nearest_key(location: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """The nearest key at the same place, or the same name in a section."""
    *path, name = location
    model = _model_at(root, path)
    prefix = "".join(f"{part}." for part in path)
    keys = [prefix + key for key in _keys(model)]
    if not path:
        keys += [k for k in _section_keys(root) if k.rpartition(".")[2] == name]
        if exact := [k for k in keys if k.rpartition(".")[2] == name]:
            return f"did you mean {' or '.join(exact)}?"
    return nearest(prefix + str(name), keys)


def _model_at(root: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model at a place; below a list or mapping comes an index or a name, then the item."""
    model, inside = root, False
    for part in path:
        if inside:
            inside = False
        else:
            inside = get_origin(_keys(model)[str(part)]) in (dict, list, tuple)
            model = _section(model, str(part))
    return model


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    """Key in YAML to its type."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _section(model: type[BaseModel], key: str) -> type[BaseModel]:
    """The model below `key`: a section, or the items of a list of models."""
    annotation = _keys(model)[key]
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    raise ConfigError(f"{key} is no section")


def _section_keys(root: type[BaseModel]) -> list[str]:
    sections = [key for key, kind in _keys(root).items() if _is_model(kind)]
    return [f"{section}.{key}" for section in sections for key in _keys(_section(root, section))]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
