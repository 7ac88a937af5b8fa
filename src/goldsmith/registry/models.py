"""Immutable model versions: `models/<tier>/<version>/`, each with a signed manifest.

A version is named `base` or after its content (`v-` and 12 hex digits), so it never changes and
the same weights are the same version. The manifest holds the sha256 of each file, the lineage and
the gate's report; its signature lies beside it. A reader checks signature and hashes before it
loads anything.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goldsmith.errors import ArtefactError, ConflictError, IntegrityError, NotFoundError, StoreError
from goldsmith.registry import aliases, signing
from goldsmith.registry.aliases import Alias, lost_to, read_alias
from goldsmith.registry.aliases import live as live
from goldsmith.registry.intake import check_artefact
from goldsmith.store.directories import (
    MANIFEST,
    commit_directory,
    digest_directory,
    fetch_directory,
    read_manifest,
)
from goldsmith.store.manifest import seal
from goldsmith.store.object_store import ObjectStore, check_key

log = logging.getLogger(__name__)


def prefix(tier: str, version: str) -> str:
    """The model reference of a version: its store prefix."""
    return check_key(f"models/{tier}/{version}")


def is_reference(model: str) -> bool:
    """Whether `model` names one in the store, and not a folder."""
    return model.startswith(("models/", "checkpoints/"))


def add(
    store: ObjectStore,
    directory: Path,
    *,
    tier: str,
    version: str = "",
    lineage: Mapping[str, Any],
    gate: Mapping[str, Any] | None = None,
) -> str:
    """Check, commit and sign a model folder; the version's name, `v-<12 hex>` unless given.

    The same files again are the same version, with the manifest of the first time.
    """
    artefact = check_artefact(directory)
    digest = digest_directory(directory)
    version = version or f"v-{digest[:12]}"
    at = prefix(tier, version)
    meta = {"tier": tier, "version": version, "lineage": dict(lineage), "gate": dict(gate or {})}
    try:
        known = read_manifest(store, at)
    except NotFoundError:
        known = commit_directory(
            store, at, directory, kind="model", meta={**meta, "artefact": asdict(artefact)}
        )
    if known["digest"] != digest:
        raise StoreError(f"{at} exists with other files", fix="versions never change; name another")
    if all(known[name] == value for name, value in meta.items()):
        _sign(store, at, seal(known))
    else:  # somebody else's: not ours to sign
        log.info("%s is registered already", at)
    show(store, tier, version)
    return version


def versions(store: ObjectStore, tier: str) -> list[str]:
    """The names of a tier's versions, sorted."""
    parts = (key.split("/") for key in store.list(f"models/{tier}/"))
    return sorted(part[2] for part in parts if part[3:] == [MANIFEST])


def show(store: ObjectStore, tier: str, version: str) -> dict[str, Any]:
    """The manifest of a version, with its signature checked; IntegrityError if it is forged."""
    at = prefix(tier, version)
    manifest = read_manifest(store, at)
    if (manifest.get("tier"), manifest.get("version")) != (tier, version):
        raise IntegrityError(f"{at}/{MANIFEST} is damaged", why="it belongs to another version")
    for public in signing.trusted_keys():
        if store.exists(key := _signature_key(at, public)):
            signing.verify(seal(manifest), store.get(key), key=f"{store.url}/{at}/{MANIFEST}")
            return manifest
    raise IntegrityError(
        f"{store.url}/{at} is not signed by a trusted key",
        fix=f"set {signing.TRUST_VARIABLE} to the public key file of whoever signed it",
    )


def verify(store: ObjectStore, tier: str, version: str) -> dict[str, Any]:
    """Check signature and every byte of a version; its manifest, or IntegrityError."""
    with tempfile.TemporaryDirectory() as scratch:
        return fetch(store, prefix(tier, version), Path(scratch))


def fetch(store: ObjectStore, reference: str, directory: Path) -> dict[str, Any]:
    """Download a model (a version or a run's own) verified; its manifest.

    A reference below `models/` must also bear a trusted signature. Nothing that fails stays.
    """
    match reference.rstrip("/").split("/"):
        case ["models", tier, version]:
            signed = show(store, tier, version)
            manifest = fetch_directory(store, reference, directory)
            if manifest != signed:
                raise IntegrityError(f"{reference} changed while it was read")
        case _:
            manifest = fetch_directory(store, reference, directory)
    check_artefact(directory)
    return manifest


def export(store: ObjectStore, tier: str, version: str, directory: Path) -> dict[str, Any]:
    """Copy a verified version out of the store, with its manifest; the folder must be new."""
    if directory.exists() and any(directory.iterdir()):
        raise StoreError(f"{directory} is not empty", fix="export to a new folder")
    directory.mkdir(parents=True, exist_ok=True)
    manifest = fetch(store, prefix(tier, version), directory)
    (directory / MANIFEST).write_bytes(seal(manifest))
    return manifest


def promote(
    store: ObjectStore, tier: str, version: str, *, cause: str, judged_against: str = ""
) -> Alias:
    """Make a version live by compare-and-swap; the alias afterwards.

    `judged_against` is the live version that it beat: if another is live by now, or becomes live
    meanwhile, ConflictError says who was first. Promoting what is live changes nothing. An adapter
    is refused (ArtefactError): it has an alias of its own.
    """
    if show(store, tier, version).get("artefact", {}).get("form") == "adapter":
        raise ArtefactError(
            f"{tier}/{version} cannot be what tier {tier} serves",
            why="it is an adapter, not a whole model",
            fix=f"goldsmith adapters swap {tier}/NAME FOLDER",
        )
    try:
        current, tag = read_alias(store, tier)
    except NotFoundError:
        return aliases.move(store, Alias(tier=tier, live=version, cause=cause), tag=None)
    if current.live == version:
        return current
    if judged_against and current.live != judged_against:
        raise lost_to(current, version)
    return aliases.move(store, current.promoted(version, cause=cause), tag=tag)


def rollback(store: ObjectStore, tier: str, *, cause: str) -> Alias:
    """Make the version before the live one live again; StoreError if there is none."""
    current, tag = read_alias(store, tier)
    if not current.previous:
        raise StoreError(f"tier {tier} has no version before {current.live}")
    show(store, tier, current.previous[-1])
    return aliases.move(store, current.rolled_back(cause=cause), tag=tag)


def _sign(store: ObjectStore, at: str, manifest: bytes) -> None:
    """Put our signature beside a manifest that is ours, unless it is there."""
    public = signing.public_key()
    if not store.exists(_signature_key(at, public)):
        with suppress(ConflictError):  # a signature holds a random number, so two differ
            store.create(_signature_key(at, public), signing.sign(manifest))
        store.create(f"{at}/signatures/{signing.key_id(public)}.pem", public)


def _signature_key(at: str, public: bytes) -> str:
    return f"{at}/signatures/{signing.key_id(public)}.sigstore.json"
