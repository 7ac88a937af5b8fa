"""KServe's v2 protocol: health, model metadata, and a unary text inference."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from goldsmith.serving.router.ask import AUTO, Ask
from goldsmith.serving.router.credentials import Caller
from goldsmith.serving.router.hints import Hints
from goldsmith.serving.router.refusal import Refusal, bad_request
from goldsmith.serving.router.replica import COMPLETION_PATH
from goldsmith.serving.router.settle import Result

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

_PARAMETERS = frozenset(("max_tokens", "temperature", "top_p", "stop", "seed"))


def metadata(core: Core, model: str) -> dict[str, Any]:
    """What v2 says of a model; Refusal (404)."""
    _known(core, model)
    text = {"datatype": "BYTES", "shape": [1]}
    return {
        "name": model,
        "versions": [],
        "platform": "goldsmith",
        "inputs": [{"name": "prompt", **text}],
        "outputs": [{"name": "text", **text}],
    }


def is_ready(core: Core, model: str) -> bool:
    """Whether some replica could answer for it; Refusal (404)."""
    _known(core, model)
    tiers = core.fleet.tiers if model == AUTO else (model,)
    return not core.draining and any(each.healthy for tier in tiers for each in core.fleet.of(tier))


def _known(core: Core, model: str) -> None:
    if model != AUTO and model not in core.fleet.tiers:
        raise Refusal(404, "model_not_found", f"unknown model {model[:64]!r}", param="model")


def read_infer(
    core: Core, body: dict[str, Any], *, model: str, caller: Caller, hints: Hints
) -> Ask:
    """The ask in a v2 inference request; Refusal."""
    inputs, parameters = body.get("inputs"), body.get("parameters") or {}
    tensor = inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else None
    if not isinstance(tensor, dict) or tensor.get("datatype") != "BYTES":
        raise bad_request("inputs is not one BYTES tensor", param="inputs")
    data = tensor.get("data")
    if not isinstance(data, list) or len(data) != 1 or type(data[0]) is not str:
        raise bad_request("the tensor's data is not one string", param="inputs")
    if not isinstance(parameters, dict) or not parameters.keys() <= _PARAMETERS:
        names = ", ".join(sorted(_PARAMETERS))
        raise bad_request("unknown parameters", param="parameters", fix=f"use {names}")
    completion = {"model": model, "prompt": data[0], **parameters}
    return core.reader.read(
        completion, caller=caller, path=COMPLETION_PATH, hints=hints, started=time.monotonic()
    )


def infer_document(body: dict[str, Any], model: str, result: Result) -> dict[str, Any]:
    """The answer as a tensor."""
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [result.text]}
    return {
        "id": str(body.get("id") or result.leg.ask.request_id)[:200],
        "model_name": model,
        "model_version": result.leg.version,
        "outputs": [tensor],
        "parameters": {"tokens_in": result.usage.tokens_in, "tokens_out": result.usage.tokens_out},
    }
