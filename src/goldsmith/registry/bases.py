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
    return [tier for tier in TIERS if _ensure(store, directory, tier)]


def _ensure(store: ObjectStore, directory: Path, tier: str) -> bool:
    try:
        models.live(store, tier)
        return False
    except NotFoundError:
        log.info("Registering the base of tier %s", tier)
    models.add(
        store, directory / tier, tier=tier, version=VERSION, lineage={"source": "goldsmith bases"}
    )
    try:
        models.promote(store, tier, VERSION, cause="ensure_bases")
    except ConflictError:
        log.info("Another process made a version of tier %s live", tier)
    return True
