"""Data sets for training: verified bytes to trajectories, or one clear line."""

from __future__ import annotations

import json

from goldsmith.data.trajectories import Trajectory, from_json
from goldsmith.errors import DataError, IntegrityError, NotFoundError
from goldsmith.store.directories import fetch_file
from goldsmith.store.object_store import ObjectStore

TRAJECTORIES = "trajectories.jsonl"
WRITE_AGAIN = "a resumed run writes it again"
"""What to do about a data set that is damaged or missing."""


def load_trajectories(store: ObjectStore, ref: str) -> list[Trajectory]:
    """The accepted trajectories of a data set, hash verified; DataError says what to do if not."""
    name = f"{ref}/{TRAJECTORIES}"
    try:
        data = fetch_file(store, ref, TRAJECTORIES)
    except (NotFoundError, KeyError) as error:
        raise DataError(f"data set {ref} is missing", why=str(error), fix=WRITE_AGAIN) from error
    except IntegrityError as error:
        raise DataError(f"{name} is corrupt", why=str(error), fix=WRITE_AGAIN) from error
    return [parse(line, f"{name}:{n}") for n, line in enumerate(data.splitlines(), 1)]


def parse(line: bytes, place: str) -> Trajectory:
    """One record; DataError naming its place."""
    try:
        return from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{place} is no trajectory",
            why=f"{type(error).__name__}: {error}",
            fix="run `goldsmith check data` on the data set",
        ) from error
