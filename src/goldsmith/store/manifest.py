"""Manifests: JSON in one canonical form that carries its own sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from goldsmith.errors import IntegrityError


def seal(document: Mapping[str, Any]) -> bytes:
    """Canonical JSON of `document` plus the `sha256` of all the rest."""
    rest = {name: value for name, value in document.items() if name != "sha256"}
    return canonical({**rest, "sha256": digest_of(rest)}) + b"\n"


def unseal(data: bytes, *, key: str) -> dict[str, Any]:
    """The document (with its `sha256`) in `data`; IntegrityError naming `key` if one bit is off."""
    try:
        document = json.loads(data)
        sealed = isinstance(document, dict) and seal(document) == data
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{key} is damaged", why=str(error)) from error
    if not sealed:
        raise IntegrityError(f"{key} is damaged", why="its content does not match its own hash")
    return dict(document)


def digest_of(value: Any) -> str:
    """The sha256 hex of the canonical JSON of `value`; pydantic models count as their JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file as hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical(value: Any) -> bytes:
    """JSON with sorted string keys and no blanks; ValueError for NaN and infinities."""
    plain = json.loads(json.dumps(value, default=_plain, allow_nan=False))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__name__} has no JSON form")
