"""The body that an engine gets: the caller's, with the engine-side model and what it may see."""

from __future__ import annotations

import hashlib
import io

import aiohttp
import orjson

from goldsmith.serving.engines import Engine
from goldsmith.serving.router.ask import Ask

LARGE = 1 << 20
"""aiohttp wants larger bodies as a file."""


def encode(ask: Ask, model: str, engine: Engine) -> aiohttp.Payload | io.BytesIO:
    """The JSON for one engine; streams always report usage, so that they can be billed."""
    body = {name: value for name, value in ask.body.items() if value is not None}
    body["model"] = model
    body.pop("user", None)
    if ask.stream:
        body["stream_options"] = {"include_usage": True}
    elif "stream_options" in body:
        del body["stream_options"]
    if "seed" in body and "seed" in engine.lacks:
        del body["seed"]
    if engine.name == "vllm":
        body["cache_salt"] = _salt(ask.caller.tenant)
    data = orjson.dumps(body)
    return aiohttp.BytesPayload(data) if len(data) <= LARGE else io.BytesIO(data)


def _salt(tenant: str) -> str:
    """Tenants share no cached prefixes: how fast an answer comes would tell what others asked."""
    return hashlib.sha256(b"goldsmith:" + tenant.encode()).hexdigest()[:32]
