"""The public API as OpenAPI 3.1, and docs/api.md made from it.

python -m goldsmith.serving.router.openapi docs/api.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from goldsmith import __version__

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SHARED: dict[str, Schema] = {
    "model": {**_TEXT, "description": "`auto`, a tier, or `tier/adapter`."},
    "stream": {"type": "boolean", "description": "Server-sent events, passed on as they come."},
    "stream_options": {
        "type": "object",
        "properties": {"include_usage": {"type": "boolean"}},
        "additionalProperties": False,
    },
    "max_tokens": {"type": "integer", "minimum": 1, "maximum": 1 << 20},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "n": {"const": 1},
    "stop": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 16}]},
    "seed": {"type": "integer"},
    "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "user": {**_TEXT, "description": "Taken, and shown to no engine."},
}
_MESSAGE: Schema = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {
            "anyOf": [
                _TEXT,
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"type": {"const": "text"}, "text": _TEXT},
                        "required": ["type", "text"],
                        "additionalProperties": False,
                    },
                },
            ]
        },
        "name": _TEXT,
        "tool_call_id": _TEXT,
    },
    "required": ["role", "content"],
    "additionalProperties": False,
}
_SCHEMAS: dict[str, Schema] = {
    "Chat": {
        "type": "object",
        "properties": {
            **_SHARED,
            "messages": {"type": "array", "items": _MESSAGE, "minItems": 1},
            "max_completion_tokens": {"type": "integer", "minimum": 1, "maximum": 1 << 20},
            "logprobs": {"type": "boolean"},
            "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
        },
        "required": ["model", "messages"],
        "additionalProperties": False,
    },
    "Completion": {
        "type": "object",
        "properties": {
            **_SHARED,
            "prompt": _TEXT,
            "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
        },
        "required": ["model", "prompt"],
        "additionalProperties": False,
    },
    "Answer": {"type": "object", "description": "As OpenAI's, byte for byte the engine's."},
    "Job": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "object": {"const": "job"},
            "status": {"enum": ["queued", "running", "succeeded", "failed", "cancelled"]},
            "created_at": {"type": "integer"},
            "finished_at": {"type": ["integer", "null"]},
            "result": {"type": ["object", "null"], "description": "The answer, and its `route`."},
            "error": {"type": ["object", "null"]},
        },
    },
    "Error": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "message": _TEXT,
                    "type": _TEXT,
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "integer", "null"]},
                },
                "required": ["message", "type", "param", "code"],
            }
        },
        "required": ["error"],
    },
    "Infer": {
        "type": "object",
        "description": "KServe v2: one BYTES tensor of one string.",
        "properties": {
            "id": _TEXT,
            "inputs": {"type": "array", "minItems": 1, "maxItems": 1},
            "parameters": {
                "type": "object",
                "description": "max_tokens, temperature, top_p, stop, seed.",
            },
        },
        "required": ["inputs"],
    },
}
HINTS = {
    "X-SLO-TTFT-Ms": "Wanted p99 of the time to the first token, in ms; the tier's own otherwise.",
    "X-Max-Cost": "The most that the answer may cost, in USD.",
    "X-Min-Quality": "Floor of the quality's lower bound, 0 to 1.",
    "X-Priority": "`low`, `normal`, `high`; `async` waits longest and allows every policy.",
    "X-Route-Policy": "A policy of the configuration: `single`, `cascade`, `plan_and_execute`.",
}
ROUTE = {
    "X-Request-Id": "Of this request, in logs and traces.",
    "X-Route-Tier": "The tier that answers.",
    "X-Route-Version": "The version that answers: an adapter's immutable name, or the base's.",
    "X-Route-Reason": "Why this tier.",
    "X-Route-Predicted-TTFT-Ms": "p99 of the time to the first token, as predicted.",
    "X-Route-TTFT-Ms": "Time to the first byte, as it was.",
    "X-Route-Price-USD": "What the answer cost; of a stream: what it is expected to cost.",
    "X-Route-Overhead-Ms": "The router's own part of the time.",
}
REFUSALS = {
    "400": "The request makes no sense; `param` names the field.",
    "401": "No credential, or a wrong one.",
    "404": "No such model, adapter, job or route.",
    "413": "The body is too large.",
    "415": "The body is not plain JSON.",
    "429": "A limit is used up, or all is busy; Retry-After says when to come back.",
    "502": "No replica answered.",
    "503": "No healthy replica, or the router ends; Retry-After says when to come back.",
    "504": "No first byte in time.",
}


@cache
def openapi() -> dict[str, Any]:
    """The document that GET /openapi.json answers."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Goldsmith router",
            "version": __version__,
            "description": "OpenAI's API over several tiers; requests go where they cost least.",
        },
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a JWT of the configured issuer.",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    public: Schema = {"security": []}
    job_id = _in_path("id")
    model = _in_path("model")
    return {
        "/v1/chat/completions": {"post": _generate("A chat's next message.", "Chat")},
        "/v1/completions": {"post": _generate("A text's continuation.", "Completion")},
        "/v1/models": {"get": _get("Names that `model` may have.")},
        "/v1/jobs": {"post": _take_job()},
        "/v1/jobs/{id}": {
            "get": _get("A job of one's own.", "Job") | job_id,
            "delete": _get("Cancel a job of one's own.", "Job") | job_id,
        },
        "/health/live": {"get": _get("Whether the process runs.") | public},
        "/health/ready": {
            "get": _get("Whether some tier can answer: 503 if none, or the router ends.") | public
        },
        "/openapi.json": {"get": _get("This document.") | public},
        "/console": {"get": _get("A page to try prompts and watch the tiers.") | public},
        "/console/state": {"get": _get("What the page shows.")},
        "/v2/health/live": {"get": _get("KServe v2: as /health/live.") | public},
        "/v2/health/ready": {"get": _get("KServe v2: as /health/ready.") | public},
        "/v2/models/{model}": {"get": _get("KServe v2: metadata.") | model | public},
        "/v2/models/{model}/ready": {"get": _get("KServe v2: readiness.") | model | public},
        "/v2/models/{model}/infer": {
            "post": _operation("KServe v2: one text in, one text out.", _body("Infer")) | model
        },
    }


def _generate(summary: str, schema: str) -> Schema:
    operation = _operation(summary, _body(schema))
    operation["parameters"] = _hints()
    operation["responses"]["200"] |= {
        "content": {
            "application/json": {"schema": _reference("Answer")},
            "text/event-stream": {"schema": _TEXT},
        },
        "headers": {name: {"description": text, "schema": _TEXT} for name, text in ROUTE.items()},
    }
    return operation


def _take_job() -> Schema:
    schema = {"anyOf": [_reference("Chat"), _reference("Completion")]}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    operation = _operation("A request that may take its time: accepted is durable.", body)
    operation["parameters"] = _hints()
    del operation["responses"]["200"]
    operation["responses"]["202"] = {
        "description": "Accepted; Location says where to ask for it.",
        "content": {"application/json": {"schema": _reference("Job")}},
    }
    return operation


def _get(summary: str, schema: str = "") -> Schema:
    operation = _operation(summary, None)
    if schema:
        content = {"application/json": {"schema": _reference(schema)}}
        operation["responses"]["200"]["content"] = content
    return operation


def _operation(summary: str, body: Schema | None) -> Schema:
    refusal = {"application/json": {"schema": _reference("Error")}}
    responses: Schema = {"200": {"description": "Done."}}
    for status, text in REFUSALS.items():
        responses[status] = {"description": text, "content": refusal}
    return {"summary": summary, **({"requestBody": body} if body else {}), "responses": responses}


def _hints() -> list[Schema]:
    return [
        {"name": name, "in": "header", "schema": _TEXT, "description": text}
        for name, text in HINTS.items()
    ]


def _body(schema: str) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": _reference(schema)}}}


def _in_path(name: str) -> Schema:
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT}]}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def render() -> str:
    """docs/api.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    document = openapi()
    yield from ("# The router's API", "")
    yield "Made from `/openapi.json` by `python -m goldsmith.serving.router.openapi docs/api.md`."
    yield 'OpenAI\'s clients work as they are: `OpenAI(base_url="http://127.0.0.1:8080/v1")`.'
    yield from ("", "| route | what | credential |", "| --- | --- | --- |")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            needed = "no" if operation.get("security") == [] else "yes"
            yield f"| `{method.upper()} {path}` | {operation['summary']} | {needed} |"
    yield from ("", "Other paths answer 404, other methods 405.", "")
    yield from _table("What a request's headers may ask", "header", HINTS)
    yield from _table("What an answer's headers tell", "header", ROUTE)
    yield from _table("Refusals", "status", REFUSALS)
    yield 'Every refusal is `{"error": {"message", "type", "param", "code"}}`. A stream that breaks'
    yield "off ends with an event of that shape, and nothing follows it."
    for name in ("Chat", "Completion"):
        yield from ("", f"## Fields of a {name.lower()} request", "")
        yield from ("Others are refused with 400 and the nearest name.", "")
        yield from ("| field | form |", "| --- | --- |")
        for field, schema in _SCHEMAS[name]["properties"].items():
            yield f"| `{field}` | {_form(schema)} |"


def _table(title: str, first: str, rows: dict[str, str]) -> Iterator[str]:
    yield from (f"## {title}", "", f"| {first} | meaning |", "| --- | --- |")
    for name, text in rows.items():
        yield f"| `{name}` | {text} |"
    yield ""


def _form(schema: Schema) -> str:
    """One field in words."""
    if "anyOf" in schema:
        return " or ".join(_form(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    words = str(schema.get("type", ""))
    if "minimum" in schema:
        words += f", {schema['minimum']} to {schema['maximum']}"
    if "items" in schema:
        words += (
            " of messages" if "role" in schema["items"].get("properties", {}) else " of strings"
        )
    if "properties" in schema:
        words += " of " + ", ".join(f"`{name}`" for name in schema["properties"])
    if "description" in schema:
        words += f": {schema['description']}"
    return words


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
