"""Which processes serve a store on one machine, and the configuration that they share."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from goldsmith.cluster.model_files import place
from goldsmith.config.load import merge, set_flag
from goldsmith.config.run import Tier
from goldsmith.config.serving import EngineName, ServingConfig, validate_serving
from goldsmith.errors import ConfigError, NotFoundError
from goldsmith.registry import models
from goldsmith.serving.engines import ENGINES, StartOptions
from goldsmith.store.object_store import ObjectStore

TIERS: tuple[Tier, ...] = ("gold", "silver", "bronze")
HOST = "127.0.0.1"
CONFIG = "serving.yaml"
_LAPTOP: Mapping[Tier, Mapping[str, float]] = {
    "gold": {"slo_ttft_ms": 200.0, "price_in": 0.1, "price_out": 0.3, "quality": 0.4},
    "silver": {"slo_ttft_ms": 500.0, "price_in": 0.4, "price_out": 1.2, "quality": 0.5},
    "bronze": {"slo_ttft_ms": 1000.0, "price_in": 2.0, "price_out": 6.0, "quality": 0.6},
}
"""Prices are examples: what matters is that they rise with the tier."""
_CONTEXT = 1024
"""Of the shipped bases."""
_SLOTS = 8


@dataclass(frozen=True)
class Part:
    """One process: how it is started, and the URL that answers 200 when it is ready."""

    name: str
    command: tuple[str, ...]
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Parts that must be ready before it starts."""


@dataclass(frozen=True)
class Stack:
    """Everything that is started."""

    config: ServingConfig
    parts: tuple[Part, ...]
    versions: Mapping[Tier, str]
    """What each tier serves."""

    @property
    def url(self) -> str:
        """Where an OpenAI client points its `base_url`, without `/v1`."""
        return f"http://{self.config.router.host}:{self.config.router.port}"


def live_versions(store: ObjectStore, tiers: Sequence[Tier] = ()) -> dict[Tier, str]:
    """The live version of each named tier, or of all that have one; ConfigError if none has."""
    found: dict[Tier, str] = {}
    for tier in tiers or TIERS:
        try:
            found[tier] = models.live(store, tier)
        except NotFoundError:
            if tiers:
                raise
    if not found:
        raise ConfigError(f"no tier has a live version in {store.url}", fix="goldsmith run")
    return found


def stack(
    versions: Mapping[Tier, str],
    *,
    store: ObjectStore,
    state: Path,
    engine: EngineName,
    settings: Mapping[str, Any],
    flags: Iterable[str] = (),
) -> Stack:
    """The processes that serve these versions; `settings`, then `flags`, go over the defaults.

    `state` is the folder of what outlives the processes: traces, jobs, adapters, and the file
    `serving.yaml` that they all read.
    """
    ports = iter(free_ports(len(versions) + 3))
    engines = {tier: next(ports) for tier in versions}
    values = merge(_defaults(engines, state=state, engine=engine), settings)
    values["router"].setdefault("admin_port", next(ports))
    values["traces"].setdefault("collector", f"http://{HOST}:{next(ports)}")
    for flag in flags:
        set_flag(values, flag)
    config = validate_serving(values)
    _refuse_strangers(config)
    parts = [
        _engine(tier, version, config, port=engines[tier], state=state)
        for tier, version in versions.items()
    ]
    parts += _controllers(config, store=store, state=state, port=next(ports))
    return Stack(config, tuple(parts), dict(versions))


def _refuse_strangers(config: ServingConfig) -> None:
    """ConfigError if everybody on the network could ask."""
    host = config.router.host
    if config.credentials.open and host not in (HOST, "localhost", "::1"):
        raise ConfigError(
            f"router.host = {host} lets others ask without a credential",
            fix="give credentials.keys and credentials.open=false",
        )


def model_directory(state: Path, tier: Tier, version: str) -> Path:
    """Where a version's files lie, for its engine."""
    return state / "models" / tier / version


def fetch_models(store: ObjectStore, versions: Mapping[Tier, str], *, state: Path) -> None:
    """Download what is not here yet; what is here is checked. A version is there whole or not."""
    for tier, version in versions.items():
        place(store, tier, version, model_directory(state, tier, version).parent)


def write_config(config: ServingConfig, state: Path) -> Path:
    """The file that every process of the stack reads."""
    path = state / CONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json", exclude_none=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    path.chmod(0o600)
    return path


def check_place(config: ServingConfig, state: Path) -> None:
    """ConfigError if the state folder cannot be written, or the router's port is taken."""
    try:
        (state / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(
            f"state folder {state} cannot be made", why=why, fix="give another --state"
        ) from None
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((config.router.host, config.router.port))
        except OSError as error:
            what = f"the router cannot listen at {config.router.host}:{config.router.port}"
            raise ConfigError(what, why=error.strerror or "", fix="give another --port") from None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _defaults(engines: Mapping[Tier, int], *, state: Path, engine: EngineName) -> dict[str, Any]:
    swaps = "adapters" not in ENGINES[engine].lacks
    tiers = {
        tier: {
            **_LAPTOP[tier],
            "endpoints": [f"http://{HOST}:{port}"],
            "engine": engine,
            "context": _CONTEXT,
            "slots": _SLOTS,
        }
        for tier, port in engines.items()
    }
    return {
        "tiers": tiers,
        "router": {
            "host": HOST,
            "decision_log": str(state / "decisions.jsonl"),
            "jobs": str(state / "jobs"),
        },
        "credentials": {"open": True},
        "adapters": {"names": {tier: ["*"] for tier in tiers} if swaps else {}},
        "traces": {"directory": str(state / "traces")},
    }


def _engine(tier: Tier, version: str, config: ServingConfig, *, port: int, state: Path) -> Part:
    settings = config.tiers[tier]
    kind = ENGINES[settings.engine]
    swaps = bool(config.adapters.names.get(tier))
    options = StartOptions(
        names=(config.model_name(tier), version),
        context=settings.context,
        slots=settings.slots,
        adapters_root=adapters_root(state) if swaps else None,
        cpu=True,
    )
    command = kind.command(model_directory(state, tier, version), port, options)
    environment = {**kind.environment(options), "OMP_NUM_THREADS": "1"}
    return Part(tier, tuple(command), f"http://{HOST}:{port}/health", environment)


def adapters_root(state: Path) -> Path:
    """Where adapters lie, for the engines and the controller."""
    return state / "adapters"


def _controllers(
    config: ServingConfig, *, store: ObjectStore, state: Path, port: int
) -> list[Part]:
    """Collector, router and adapter controller, as the configuration has them."""
    file = str(state / CONFIG)
    goldsmith = (sys.executable, "-m", "goldsmith.cli")
    parts = []
    if config.traces.collector:
        listen = str(urlsplit(config.traces.collector).port or 80)
        collect = (*goldsmith, "collect", "--config", file, "--store", store.url, "--port", listen)
        parts.append(Part("collector", collect, f"{config.traces.collector}/health"))
    router = (sys.executable, "-m", "goldsmith.serving.router", "--config", file)
    ready = f"http://{config.router.host}:{config.router.port}/health/ready"
    parts.append(Part("router", router, ready, after=tuple(config.tiers)))
    if config.adapters.names:
        command: tuple[str, ...] = (
            *goldsmith,
            "operate",
            "adapters",
            "--config",
            file,
            "--store",
            store.url,
        )
        command = (*command, "--root", str(adapters_root(state)), "--port", str(port))
        parts.append(Part("adapters", command, f"http://{HOST}:{port}/health", after=("router",)))
    return parts
