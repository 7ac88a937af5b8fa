"""The three base models that ship with the package, registered as version `base`."""

from __future__ import annotations

import logging
from pathlib import Path

from goldsmith.errors import ConflictError, NotFoundError
from goldsmith.registry import models
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "bases"
TIERS = ("bronze", "silver", "gold")
VERSION = "base"


def ensure_bases(store: ObjectStore, directory: Path = SHIPPED) -> list[str]:
    """Register and make live `directory/<tier>` of each tier without a live version; those tiers.

    Doing it again, or at the same time as another process, changes nothing.
    """
    tiers = missing(store)
    for tier in tiers:
        log.info("Registering the base of tier %s", tier)
        _register(store, directory, tier)
    return tiers


def missing(store: ObjectStore) -> list[str]:
    """The tiers without a live version."""
    return [tier for tier in TIERS if not _is_live(store, tier)]


def _is_live(store: ObjectStore, tier: str) -> bool:
    try:
        models.live(store, tier)
    except NotFoundError:
        return False
    return True


def _register(store: ObjectStore, directory: Path, tier: str) -> None:
    models.add(
        store, directory / tier, tier=tier, version=VERSION, lineage={"source": "goldsmith bases"}
    )
    try:
        models.promote(store, tier, VERSION, cause="ensure_bases")
    except ConflictError:
        log.info("Another process made a version of tier %s live", tier)
