"""The data set's files against its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldsmith.data.defects.catalogue import Problems
from goldsmith.errors import IntegrityError
from goldsmith.store.manifest import file_sha256, unseal

MANIFEST = "manifest.json"


def read(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest beside the data ({} if there is none) and why it cannot be believed."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}, ""
    try:
        return unseal(path.read_bytes(), key=MANIFEST), ""
    except IntegrityError as error:
        return {}, str(error)


def against(manifest: Mapping[str, Any], name: str, *, sha256: str, records: int) -> Problems:
    """Hash and number of records of the checked file, as the manifest has them."""
    entry = manifest.get("files", {}).get(name)
    if entry is not None and entry.get("sha256") != sha256:
        yield "hash-mismatch", f"sha256 {sha256[:12]}.., the manifest says {entry['sha256'][:12]}.."
    counts = manifest.get("counts")
    accepted = counts.get("accepted") if isinstance(counts, Mapping) else None
    if type(accepted) is int and accepted != records:
        yield "count-mismatch", f"{records} records, the manifest says {accepted}"


def others(manifest: Mapping[str, Any], folder: Path, checked: str) -> list[tuple[str, str]]:
    """(file, message) of the data set's other files that are missing or changed."""
    found = []
    for name, entry in manifest.get("files", {}).items():
        path = folder / name
        if name != checked and not path.is_file():
            found.append((name, "the file is missing"))
        elif name != checked and file_sha256(path) != entry.get("sha256"):
            found.append((name, "its sha256 is not the manifest's"))
    return found
