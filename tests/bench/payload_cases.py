"""Addresses and paths where a router might follow them: none may reach a socket or a file.

Every place of a request that a router could read a name, a URL or a path from, crossed with URLs of
a canary that listens here and with paths of a canary file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.load import post
from tests.fixtures.serving import authorization

CHAT, TEXT, JOBS = "/v1/chat/completions", "/v1/completions", "/v1/jobs"
CANARY_TEXT = "canary-5c1f0a2e"
"""In the file that nobody may read."""


def payloads(port: int, file: Path) -> Iterator[tuple[str, bytes]]:
    """(what it tries, the request); the canary listens on `port` and the file holds its text."""
    values = [*urls(port), *paths(file)]
    for value in values:
        for name, request in [*_fields(value), *_headers(value)]:
            yield f"{name}: {value}"[:100], request
    for value in paths(file):
        for name, request in _targets(value):
            yield f"{name}: {value}"[:100], request
    yield from _proxying(port)


def urls(port: int) -> list[str]:
    """Of the canary, in the ways that filters overlook, and of places that tell secrets."""
    return [
        f"http://127.0.0.1:{port}/",
        f"http://localhost:{port}/v1",
        f"http://[::1]:{port}/",
        f"http://2130706433:{port}/",
        f"http://0x7f.1:{port}/",
        f"http://gold@127.0.0.1:{port}/",
        f"//127.0.0.1:{port}/x",
        f"127.0.0.1:{port}",
        f"dns://127.0.0.1:{port}",
        f"ftp://127.0.0.1:{port}/x",
        f"gopher://127.0.0.1:{port}/_x",
        f"dict://127.0.0.1:{port}/x",
        f"unix:///tmp/{port}.sock",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        f"http://127.0.0.1:{port}/#@goldsmith",
        f"s3://127.0.0.1:{port}/x",
    ]


def paths(file: Path) -> list[str]:
    """Of the canary file, plain and in disguise."""
    plain = str(file)
    up = "../" * 12 + plain.lstrip("/")
    return [
        plain,
        up,
        f"file://{plain}",
        f"gold/{up}",
        up.replace("../", "..\\"),
        up.replace("../", "%2e%2e%2f"),
        up.replace("../", "%252e%252e%252f"),
        up.replace("../", "..%c0%af"),
        up.replace("../", "....//"),
        f"x/{up}%00.json",
        f"./{up}",
        f"~/{up}",
        "/proc/self/environ",
        "/etc/passwd",
    ]


def _fields(value: str) -> Iterator[tuple[str, bytes]]:
    """Names, and fields that an engine or a loader would follow."""
    chat: dict[str, Any] = {"model": "gold", "messages": [{"role": "user", "content": "look"}]}
    image = {"type": "image_url", "image_url": {"url": value}}
    audio = {"type": "input_audio", "input_audio": {"data": value, "format": "wav"}}
    bodies: dict[str, dict[str, Any]] = {
        "model": {**chat, "model": value},
        "adapter": {**chat, "model": f"gold/{value}"},
        "image": {**chat, "messages": [{"role": "user", "content": [image]}]},
        "audio": {**chat, "messages": [{"role": "user", "content": [audio]}]},
        "lora_path": {**chat, "lora_path": value, "lora_name": "x"},
        "kv_transfer_params": {**chat, "kv_transfer_params": {"remote_host": value}},
        "chat_template": {**chat, "chat_template": f"{{% include '{value}' %}}"},
        "endpoint": {**chat, "endpoint": value, "api_base": value, "base_url": value},
        "webhook": {**chat, "webhook": value, "callback_url": value},
    }
    for name, body in bodies.items():
        yield f"{name} of a chat", post(CHAT, body, authorization())
    yield "model of a job", post(JOBS, {**chat, "model": value}, authorization())
    yield "prompt file", post(TEXT, {"model": "gold", "prompt": {"file": value}}, authorization())
    infer = {"inputs": [{"name": value, "shape": [1], "datatype": "BYTES", "data": ["look"]}]}
    yield "tensor", post("/v2/models/gold/infer", infer, authorization())


def _headers(value: str) -> Iterator[tuple[str, bytes]]:
    body = {"model": "gold", "messages": [{"role": "user", "content": "look"}]}
    names = (
        *("x-route-policy", "x-request-id", "x-forwarded-host", "x-original-url", "x-rewrite-url"),
        *("forwarded", "x-route-endpoint", "x-backend", "traceparent", "referer", "destination"),
    )
    for name in names:
        yield f"header {name}", post(CHAT, body, {**authorization(), name: value})


def _targets(value: str) -> Iterator[tuple[str, bytes]]:
    """Paths under the routes that serve something by name."""
    for route in ("/v1/jobs/", "/console/", "/v2/models/", "/openapi.json/", "/v1/models/", "/"):
        for method in (b"GET", b"DELETE"):
            target = (route + value).replace(" ", "%20")
            request = post(target, b"", authorization())
            yield f"{method.decode()} under {route}", method + request.removeprefix(b"POST")


def _proxying(port: int) -> Iterator[tuple[str, bytes]]:
    """As if the router were an open proxy."""
    body = {"model": "gold", "messages": [{"role": "user", "content": "look"}]}
    for url in urls(port):
        for path in (CHAT, "/health"):
            yield f"POST {url}{path}", post(url.rstrip("/") + path, body, authorization())
        request = post(url, b"", authorization())
        yield f"GET {url}", b"GET" + request.removeprefix(b"POST")
    yield "CONNECT", f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
