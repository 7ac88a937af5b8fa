"""The form of one trace, and the limits that router and collector share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VERSION = 1
MAX_RECORD_BYTES = 4 << 20
"""Of one trace as JSON."""
MAX_BATCH_BYTES = 8 << 20
"""Of one POST."""
MAX_BATCH = 256
"""Traces in one POST."""
REQUIRED: Mapping[str, type] = {"request_id": str, "tenant": str}
FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "request_id": str,
    "at": (int, float),
    "tenant": str,
    "tier": str,
    "version": str,
    "adapter": str,
    "prompt": (str, list),
    "answer": str,
    "decision": dict,
    "verdict": (dict, type(None)),
    "consent": bool,
    "status": int,
    "tokens_in": int,
    "tokens_out": int,
}
"""Every field that is kept; others are dropped, so that nothing is stored by accident."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
"""Of a request or tenant."""


def mistake(record: object) -> str:
    """What is wrong with a trace that came over the wire; empty if nothing is."""
    if not isinstance(record, dict):
        return "a trace is a JSON object"
    for name in REQUIRED:
        value = record.get(name)
        if not isinstance(value, str) or not NAME.fullmatch(value):
            return f"{name} is no name"
    for name, kind in FIELDS.items():
        if name in record and not isinstance(record[name], kind):
            return f"{name} has the wrong type"
    return ""


def kept_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of FIELDS, in their order."""
    return {name: record[name] for name in FIELDS if name in record}
