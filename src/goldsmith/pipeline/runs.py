"""Runs in the store: their names, their saved configuration, and how they are found again."""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goldsmith import __version__
from goldsmith.config.load import nearest, validate_config
from goldsmith.config.run import RunConfig, RunContext
from goldsmith.errors import ConfigError, ConflictError, NotFoundError, RunError
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

STEPS = (
    "collaborate",
    "validate_data",
    "train_srl",
    "train_rlvr",
    "evaluate",
    "quality_gate",
    "register",
    "roll_out",
)
"""In the order of the flow."""
DEFAULT_STORE = "~/.goldsmith"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Run:
    """What is saved when a run begins; a resumed run uses exactly this."""

    context: RunContext
    config: RunConfig
    threads: int
    """OMP_NUM_THREADS of the steps: part of the result, bit for bit."""

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.context.run_id

    def parameters(self) -> dict[str, Any]:
        """The compiled pipeline's arguments: `run` and one dict a section."""
        sections = {name: _without_none(values) for name, values in self.config.sections().items()}
        fields = {key: getattr(self.config, key) for key in ("domain", "tier", "seed")}
        if validate_config({**fields, **sections}) != self.config:
            raise ConfigError(
                "a key is null whose default is not", why="KFP cannot pass null to a step"
            )
        return {"run": self.context.model_dump(mode="json"), **sections}


def new_run(
    config: RunConfig, *, store_url: str, profile: str, run_id: str = "", threads: int = 0
) -> Run:
    """A run that is not saved yet; `run_id` and `threads` have defaults."""
    run_id = run_id or new_run_id(config.tier)
    if not _RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f"run id {run_id!r} is refused", fix="use up to 63 letters, digits, '.', '_' and '-'"
        )
    context = RunContext(
        run_id=run_id,
        domain=config.domain,
        tier=config.tier,
        seed=config.seed,
        store=store_url,
        profile=profile,
    )
    return Run(context, config, threads or default_threads())


def new_run_id(tier: str) -> str:
    """`<tier>-<yyyymmdd>-<hhmmss>-<4 hex>`, in UTC."""
    return f"{tier}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def resolve_store(url: str | None = None) -> str:
    """The store at `url`, else GOLDSMITH_STORE, else the default; a directory's absolute path."""
    url = url or os.environ.get("GOLDSMITH_STORE") or DEFAULT_STORE
    return url if "://" in url else str(Path(url).expanduser().absolute())


def resume_command(run: Run) -> str:
    """What to type to go on with a run."""
    store = run.context.store
    where = "" if store == resolve_store() else f" --store {shlex.quote(store)}"
    return f"goldsmith run --resume {run.run_id}{where}"


def default_threads() -> int:
    """OMP_NUM_THREADS, else 1: contended threads spin, and evaluated small models 10 x slower."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdigit() and int(text) else 1


def config_key(run_id: str) -> str:
    """Where a run's resolved configuration is kept."""
    return run_key(run_id, "config.json")


def save_run(store: ObjectStore, run: Run) -> None:
    """Save a new run; RunError if its name is taken."""
    if store.exists(config_key(run.run_id)):
        raise _taken(run.run_id)
    document = {
        "kind": "run-config",
        "goldsmith": __version__,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "threads": run.threads,
        "context": run.context.model_dump(mode="json", exclude={"store"}),
        "config": run.config.model_dump(mode="json"),
    }
    try:
        store.create(config_key(run.run_id), seal(document))
    except ConflictError:
        raise _taken(run.run_id) from None


def load_run(store: ObjectStore, run_id: str) -> Run:
    """A saved run, with the store where it is now; RunError if there is none of that name."""
    document = read_config(store, run_id)
    context = RunContext.model_validate({**document["context"], "store": store.url})
    return Run(context, validate_config(document["config"]), document["threads"])


def read_config(store: ObjectStore, run_id: str) -> dict[str, Any]:
    """The saved document of a run; RunError if there is none of that name."""
    if not _RUN_ID.fullmatch(run_id):
        raise RunError(f"no run {run_id!r} in {store.url}")
    key = config_key(run_id)
    try:
        return unseal(store.get(key), key=f"{store.url}/{key}")
    except NotFoundError:
        names = run_ids(store)
        fix = nearest(run_id, names) if names else "start one: goldsmith run"
        raise RunError(f"no run {run_id!r} in {store.url}", fix=fix) from None


def run_ids(store: ObjectStore) -> list[str]:
    """Every run of a store, by name."""
    parts = (key.split("/") for key in store.list("runs/"))
    return sorted(part[1] for part in parts if part[2:] == ["config.json"])


def _without_none(value: Any) -> Any:
    """Without keys that are None, which KFP refuses; the default of such a key must be None."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _taken(run_id: str) -> RunError:
    return RunError(
        f"run {run_id} exists", fix=f"resume it (goldsmith run --resume {run_id}) or name another"
    )
