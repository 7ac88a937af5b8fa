"""Forms and headers of the public API, in the words that its document uses."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
_SHARED: dict[str, Schema] = {
    "model": {**TEXT, "description": "`auto`, a tier, or `tier/adapter`."},
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
    "stop": {"anyOf": [TEXT, {"type": "array", "items": TEXT, "maxItems": 16}]},
    "seed": {"type": "integer"},
    "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "user": {**TEXT, "description": "Taken, and shown to no engine."},
}
_MESSAGE: Schema = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": {
            "anyOf": [
                TEXT,
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"type": {"const": "text"}, "text": TEXT},
                        "required": ["type", "text"],
                        "additionalProperties": False,
                    },
                },
            ]
        },
        "name": TEXT,
        "tool_call_id": TEXT,
    },
    "required": ["role", "content"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, Schema] = {
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
            "prompt": TEXT,
            "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
        },
        "required": ["model", "prompt"],
        "additionalProperties": False,
    },
    "Answer": {"type": "object", "description": "As OpenAI's, byte for byte the engine's."},
    "Job": {
        "type": "object",
        "properties": {
            "id": TEXT,
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
                    "message": TEXT,
                    "type": TEXT,
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
            "id": TEXT,
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
