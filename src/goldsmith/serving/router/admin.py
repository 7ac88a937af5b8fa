"""The admin port: metrics, state, and what the adapter controller sets. Never exposed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from goldsmith.serving.router.aliases import VERSION
from goldsmith.serving.router.metrics import render
from goldsmith.serving.router.refusal import Refusal, bad_request
from goldsmith.serving.router.replica import Replica
from goldsmith.serving.router.wire import (
    Receive,
    Scope,
    Send,
    parse_object,
    read_body,
    send_bytes,
    send_json,
)
from goldsmith.serving.routing.events import Judged

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

_LIMIT_BYTES = 1 << 20
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


async def administer(core: Core, scope: Scope, receive: Receive, send: Send) -> bool:
    """Answer a request of the admin port; False if there is no such route."""
    match scope["method"], scope["path"]:
        case "GET", "/metrics":
            await send_bytes(send, 200, render(core), [_TEXT])
        case "GET", "/admin/state":
            await send_json(send, 200, state(core))
        case "PUT", "/admin/adapters":
            await send_json(send, 200, flip(core, await _read(receive)))
        case "PUT", "/admin/weights":
            await send_json(send, 200, weigh(core, await _read(receive)))
        case "PUT", "/admin/ready":
            await send_json(send, 200, vouch(core, await _read(receive)))
        case "PUT", "/admin/verdicts":
            await send_json(send, 200, judge(core, await _read(receive)))
        case _:
            return False
    return True


async def _read(receive: Receive) -> dict[str, Any]:
    return parse_object(await read_body(receive, _LIMIT_BYTES))


def state(core: Core) -> dict[str, Any]:
    """Everything that is live."""
    fleet = core.fleet
    replicas = fleet.replicas.values()
    return {
        "endpoints": {tier: list(urls) for tier, urls in fleet.tiers.items()},
        "healthy": {each.url: each.healthy for each in replicas},
        "weights": {each.url: each.weight for each in replicas},
        "ready": {each.url: list(each.ready) for each in replicas},
        "models": {each.url: list(each.models) for each in replicas},
        "adapters": {
            f"{tier}/{adapter}": {"name": flip.name, "epoch": flip.epoch}
            for tier in fleet.tiers
            for adapter, flip in core.aliases.of(tier).items()
        },
        "in_flight": {each.url: dict(each.by_model) for each in replicas},
        "waiting": {each.url: len(each.gate.heap) for each in replicas},
        "pinned": dict(core.pins),
        "budget": {
            "usd_per_hour": core.settings.budget_usd_per_hour,
            "spent_usd": sum(core.metrics.cost_usd.values()),
        },
        "draining": core.draining,
    }


def flip(core: Core, body: dict[str, Any]) -> dict[str, Any]:
    """`tier/adapter` means another version from now on, if the epoch is higher."""
    tier, adapter = _text(body, "tier"), _text(body, "adapter")
    name, epoch = _text(body, "name"), body.get("epoch")
    match = VERSION.fullmatch(name)
    if tier not in core.fleet.tiers:
        raise bad_request(f"unknown tier {tier[:64]!r}", param="tier")
    if match is None or match[1] != adapter:
        fix = f"send {adapter[:64]}--<first 12 digits of its SHA-256>"
        raise bad_request(
            f"{name[:100]!r} is no version of {adapter[:64]!r}", param="name", fix=fix
        )
    if type(epoch) is not int or epoch < 1:
        raise bad_request("epoch is not a whole number above 0", param="epoch")
    core.aliases.flip(tier, adapter, name, epoch)
    return {"tier": tier, "adapter": adapter, "name": name, "epoch": epoch}


def weigh(core: Core, body: dict[str, Any]) -> dict[str, Any]:
    """A replica's share of the requests."""
    replica, weight = _replica(core, body), _share(body, "weight")
    core.fleet.weigh(replica, weight)
    return {"endpoint": replica.url, "weight": weight}


def vouch(core: Core, body: dict[str, Any]) -> dict[str, Any]:
    """Adapters that are loaded and checked on a replica."""
    replica, names = _replica(core, body), body.get("names")
    if type(names) is not list or not all(type(each) is str for each in names):
        raise bad_request("names is not a list of strings", param="names")
    core.fleet.vouched(replica, names)
    return {"endpoint": replica.url, "names": list(replica.ready)}


def judge(core: Core, body: dict[str, Any]) -> dict[str, Any]:
    """A verifier's verdict on an answer: the quality model learns from it."""
    request_id, quality = _text(body, "request_id"), _share(body, "quality")
    core.observe(Judged(time.monotonic(), request_id, quality))
    return {"request_id": request_id, "quality": quality}


def _replica(core: Core, body: dict[str, Any]) -> Replica:
    url = _text(body, "endpoint").rstrip("/")
    replica = core.fleet.replicas.get(url)
    if replica is None:
        raise Refusal(404, "unknown_endpoint", f"unknown endpoint {url[:200]!r}", param="endpoint")
    return replica


def _share(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise bad_request(f"{name} is not a number from 0 to 1", param=name)
    return float(value)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if type(value) is not str or not value:
        raise bad_request(f"{name} is not a string", param=name)
    return value
