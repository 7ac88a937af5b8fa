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
from goldsmith.serving.router.api_schemas import (
    HINTS,
    REFUSALS,
    ROUTE,
    SCHEMAS,
    TEXT,
    Schema,
)


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
            "schemas": SCHEMAS,
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
            "text/event-stream": {"schema": TEXT},
        },
        "headers": {name: {"description": text, "schema": TEXT} for name, text in ROUTE.items()},
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
        {"name": name, "in": "header", "schema": TEXT, "description": text}
        for name, text in HINTS.items()
    ]


def _body(schema: str) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": _reference(schema)}}}


def _in_path(name: str) -> Schema:
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": TEXT}]}


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
        for field, schema in SCHEMAS[name]["properties"].items():
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
