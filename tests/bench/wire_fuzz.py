"""Requests as a broken or hostile client sends them: any number, the same for the same seed."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tests.bench.load import post
from tests.fixtures.serving import KEY, OTHER_KEY, authorization

CHAT, TEXT, JOBS = "/v1/chat/completions", "/v1/completions", "/v1/jobs"
PATHS = (
    *(CHAT, TEXT, JOBS, "/v1/models", "/health/live", "/health/ready", "/openapi.json"),
    *("/console", "/console/state", "/metrics", "/v2/health/live", "/v2/models/gold"),
    *("/v2/models/gold/infer", "/v1/jobs/none", "/", "/admin/state", "/invocations"),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "get")
HINTS = ("x-slo-ttft-ms", "x-max-cost", "x-min-quality", "x-priority", "x-route-policy")
ODD_NUMBERS = ("nan", "inf", "-1", "1e999", "0x10", "", " ", "1_0", "٣", "9" * 400, "null", "[]")
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63 - 1, -(2**63), 1.5, 1e308, "", "auto", "\x00", "\u202e", "a" * 5000),
    *([], [[]], {}, {"a": {}}, ["x"], [None], "../../etc/passwd", "gold/nobody", "gold/" * 40, "é"),
)
MODELS = (
    "auto",
    "gold",
    "silver",
    "bronze",
    "gold/none",
    "gpt-4o",
    "",
    "AUTO",
    "gold//",
    "gold/../x",
)
NOISE = bytes(range(256))


@dataclass(frozen=True, slots=True)
class Case:
    """One request."""

    kind: str
    data: bytes
    fresh: bool = False
    """Goes over a connection of its own: its end, or how many answers come, is unclear."""
    answered: bool = True
    """False: the server may close without a word."""


def cases(count: int, seed: int) -> Iterator[Case]:
    """`count` requests of all kinds."""
    rng = random.Random(seed)
    kinds, weights = zip(*KINDS.items(), strict=True)
    for _ in range(count):
        yield rng.choices(kinds, weights)[0](rng)


def valid(rng: random.Random) -> Case:
    """What must be answered with 200, so that the others meet a router at work."""
    body = good_body(rng)
    path = CHAT if "messages" in body else TEXT
    return Case("valid", post(path, body, authorization(rng.choice((KEY, OTHER_KEY)))))


def good_body(rng: random.Random) -> dict[str, Any]:
    """A body without fault."""
    words = " ".join(
        rng.choices(("look", "open", "door", "café", "鍵", "🔑"), k=rng.randint(1, 40))
    )
    body: dict[str, Any] = {"model": rng.choice(("auto", "gold")), "max_tokens": rng.randint(1, 4)}
    chat = rng.random() < 0.7
    body |= {"messages": [{"role": "user", "content": words}]} if chat else {"prompt": words}
    if rng.random() < 0.3:
        body["stream"] = True
    return body


def wrong_value(rng: random.Random) -> Case:
    """A body with one or two values of the wrong kind, or a field too many or too few."""
    body = good_body(rng)
    path = CHAT if "messages" in body else TEXT
    for _ in range(rng.randint(1, 2)):
        what = rng.random()
        if what < 0.2:
            body[_word(rng)] = rng.choice(ODD_VALUES)
        elif what < 0.3:
            body.pop(rng.choice(list(body)), None)
        elif what < 0.5:
            body["model"] = rng.choice(MODELS)
        elif what < 0.7 and isinstance(body.get("messages"), list):
            body["messages"] = _odd_messages(rng)
        else:
            names = [
                *body,
                "temperature",
                "stop",
                "seed",
                "n",
                "stream_options",
                "logprobs",
                "user",
            ]
            body[rng.choice(names)] = rng.choice(ODD_VALUES)
    return Case("wrong value", post(path, body, authorization()))


def _odd_messages(rng: random.Random) -> list[Any]:
    odd = rng.choice(ODD_VALUES)
    return rng.choice(
        [
            [{"role": odd, "content": "x"}],
            [{"role": "user", "content": odd}],
            [{"role": "user", "content": [{"type": "text", "text": odd}]}],
            [{"role": "user", "content": "x", _word(rng): odd}],
            [odd, odd],
            [{"role": "user", "content": "x"}] * rng.randint(0, 300),
        ]
    )


def broken_json(rng: random.Random) -> Case:
    """A body whose bytes were damaged, or no object at all."""
    data = bytearray(orjson.dumps(good_body(rng)))
    what = rng.random()
    if what < 0.2:
        depth = rng.choice((10, 200, 1100, 20_000))
        data = bytearray(rng.choice((b"[", b'{"a":', b'{"messages":[')) * depth)
    elif what < 0.4:
        odd = (b"", b"null", b"[]", b"1", b'"x"', b"NaN", b"\xff\xfe", b'{"model":"\xed\xa0\x80"}')
        data = bytearray(rng.choice(odd))
    elif what < 0.5:
        digits = b"9" * rng.choice((20, 400, 5000))
        data = bytearray(b'{"model":"gold","prompt":"x","max_tokens":%b}' % digits)
    else:
        for _ in range(rng.randint(1, 6)):
            _damage(data, rng)
    path = rng.choice((CHAT, TEXT, JOBS))
    return Case("broken JSON", post(path, bytes(data), authorization()))


def _damage(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data)) if data else 0
    match rng.randrange(3):
        case 0 if data:
            data[at] = rng.choice(NOISE)
        case 1:
            del data[at:]
        case _:
            data[at:at] = rng.choice((b"\x00", b'"', b"{", b"]", b",", b"\\u", b"\\ud800", b"\xc3"))


def odd_headers(rng: random.Random) -> Case:
    """A good body under hints, credentials and other headers that make no sense."""
    headers = dict(authorization())
    for _ in range(rng.randint(1, 3)):
        what = rng.random()
        if what < 0.5:
            headers[rng.choice(HINTS)] = rng.choice(
                (*ODD_NUMBERS, "single", "cascade", "high", "0.5")
            )
        elif what < 0.75:
            headers["authorization"] = _odd_credential(rng)
        else:
            names = ("content-type", "content-encoding", "accept", "x-request-id", "traceparent")
            headers[rng.choice((*names, "cookie", "host", "x-tenant"))] = _value(rng)
    data = post(CHAT, good_body(rng) | {"model": "gold"}, {})
    head, _, rest = data.partition(b"\r\n")
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    return Case("odd headers", head + b"\r\n" + lines + rest, fresh=True)


def _odd_credential(rng: random.Random) -> str:
    parts = [_word(rng) for _ in range(rng.randint(0, 5))]
    bare = rng.choice(("", ".", "..", "a.b.c", KEY[:-1], KEY + "x", KEY.upper(), ".".join(parts)))
    return rng.choice(("Bearer ", "bearer", "Basic ", "", "Bearer  ")) + bare


def odd_route(rng: random.Random) -> Case:
    """Any method on any path, known or not, with and without a body."""
    path = rng.choice(PATHS)
    match rng.randrange(6):
        case 0:
            path = path.replace("/", rng.choice(("//", "%2f", "/./", "/x/../", "\\", "/;/")), 2)
        case 1:
            path = path + rng.choice(("/", "?", "?a=b&a", "%00", "%", "%zz", "/..", "#x", "%c0%ae"))
        case 2:
            path = "/" + "".join(rng.choices(string.printable[:94], k=rng.randint(1, 60)))
        case 3:
            path = f"/v1/jobs/{_word(rng)}"
        case 4:
            path = path.upper()
    path = path.replace(" ", "%20")
    body = orjson.dumps(good_body(rng)) if rng.random() < 0.5 else b""
    request = post(path, body, authorization() if rng.random() < 0.8 else {})
    method = rng.choice(METHODS)
    return Case(
        "odd route", method.encode() + request.removeprefix(b"POST"), fresh=True, answered=False
    )


def odd_framing(rng: random.Random) -> Case:
    """HTTP that is hardly HTTP: lengths that lie, chunks that end nowhere, two requests in one."""
    good = post(CHAT, good_body(rng) | {"stream": False}, authorization())
    head, _, body = good.partition(b"\r\n\r\n")
    bare = b"\r\n".join(line for line in head.split(b"\r\n") if b"content-length" not in line)
    length = rng.choice(
        (b"-1", b"abc", b"0", b"99999999999999999999", b"%d" % (len(body) - 3), b"")
    )
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    chunked = bare + b"\r\ntransfer-encoding: chunked"
    noise = bytes(rng.choices(NOISE, k=rng.randint(1, 200)))
    data = rng.choice(
        (
            bare + b"\r\ncontent-length: " + length + b"\r\n\r\n" + body,
            head + b"\r\ncontent-length: 5\r\n\r\n" + body,
            chunked + b"\r\n\r\n" + chunks,
            chunked + b"\r\n\r\nzz\r\n" + body,
            chunked + b"\r\ncontent-length: 4\r\n\r\n" + chunks,
            chunked + b"\r\n\r\nffffffffffffffffff\r\n" + body,
            good + good,
            head + b"\r\nx-long: " + b"a" * rng.choice((9000, 70_000)) + b"\r\n\r\n" + body,
            head + b"\r\n" + noise + b"\r\n\r\n" + body,
            head.replace(b"HTTP/1.1", rng.choice((b"HTTP/9.9", b"HTTP/1.0", b"", b"JUNK")), 1)
            + b"\r\n\r\n"
            + body,
            head.replace(b"\r\n", b"\n") + b"\n\n" + body,
            head + b"\r\nexpect: 100-continue\r\n\r\n" + body,
            head + b"\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n" + body,
            noise,
            b"\r\n" * rng.randint(1, 50),
            b"\x16\x03\x01" + noise,
        )
    )
    return Case("odd framing", data, fresh=True, answered=False)


def cut_short(rng: random.Random) -> Case:
    """A client that goes away in the middle of its request, or before its answer."""
    good = post(CHAT, good_body(rng) | {"max_tokens": 8}, authorization())
    return Case("cut short", good[: rng.randint(1, len(good))], fresh=True, answered=False)


def job(rng: random.Random) -> Case:
    """Jobs that cannot be, and polls for jobs that are not."""
    if rng.random() < 0.5:
        name = rng.choice((_word(rng), "../x", "%2e%2e%2fetc%2fpasswd", "a" * 300, "job-%00"))
        method = rng.choice((b"GET", b"DELETE"))
        request = post(f"/v1/jobs/{name}", b"", authorization())
        return Case("job", method + request.removeprefix(b"POST"))
    body = good_body(rng) | {
        rng.choice(("model", "stream", "messages", _word(rng))): rng.choice(ODD_VALUES)
    }
    return Case("job", post(JOBS, body, authorization()))


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits + "-_.", k=rng.randint(1, 24)))


def _value(rng: random.Random) -> str:
    letters = string.printable.replace("\r", "").replace("\n", "").replace("\x0b", "") + "éß"
    return "".join(rng.choices(letters.replace("\x0c", ""), k=rng.choice((0, 8, 80, 3000))))


KINDS: dict[Callable[[random.Random], Case], int] = {
    valid: 10,
    wrong_value: 30,
    broken_json: 20,
    odd_headers: 15,
    odd_route: 12,
    odd_framing: 6,
    cut_short: 4,
    job: 3,
}
