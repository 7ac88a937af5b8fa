"""Ways to get in without a right to: each must be refused, and reach no engine.

Token tricks (algorithm none, key confusion, `kid` and `jku`, claims that are wrong or missing),
keys that are nearly right, credentials in the wrong place, and routes that engines leave open.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.load import post
from tests.fixtures.identity import EC_KID, KID, Identity, claims, encode
from tests.fixtures.serving import KEY, authorization

CHAT, TEXT, JOBS = "/v1/chat/completions", "/v1/completions", "/v1/jobs"
CHAT_BODY = {"model": "gold", "messages": [{"role": "user", "content": "let me in"}]}
TEXT_BODY = {"model": "gold", "prompt": "let me in"}
ENGINE_ROUTES = (
    *("/invocations", "/pooling", "/classify", "/score", "/v1/score", "/rerank", "/v1/rerank"),
    *("/tokenize", "/detokenize", "/pause", "/resume", "/sleep", "/wake_up", "/scale_elastic_ep"),
    *("/update_weights", "/init_weight_transfer_engine", "/collective_rpc", "/reset_prefix_cache"),
    *("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/embeddings", "/v1/responses"),
    *("/inference/v1/generate", "/v1/audio/transcriptions", "/metrics", "/server_info", "/load"),
    *("/start_profile", "/docs", "/version", "/admin/state", "/admin/weights", "/admin/adapters"),
    *("/admin/ready", "/v1/models/gold", "/v1/files", "/ping", "/v2/repository/index"),
)
DISGUISES = (
    *("/v1%2fchat%2fcompletions", "/v1/chat%2Fcompletions", "/%76%31/chat/completions"),
    *("//v1/chat/completions", "/v1//chat/completions", "/v1/./chat/completions"),
    *("/v1/chat/../chat/completions", "/health/live/../../v1/chat/completions"),
    *("/console/../v1/chat/completions", "/v1/chat/completions/", "/V1/CHAT/COMPLETIONS"),
    *("/v1/chat/completions;x=1", "/v1/chat/completions%00", "/v1/chat/completions%3f"),
    *("/v1\\chat\\completions", "/v1/chat/completions/..;/completions", "/./invocations"),
    *("/health/live%2f..%2f..%2finvocations", "/v1/..%2finvocations", "/%2e%2e/invocations"),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to get in."""

    name: str
    data: bytes


def attempts(identity: Identity) -> Iterator[Attempt]:
    """Every trick on every route that answers with text, and every route that must not answer."""
    for path, body in ((CHAT, CHAT_BODY), (TEXT, TEXT_BODY), (JOBS, CHAT_BODY)):
        for name, value in [*_tokens(identity), *_keys()]:
            headers = {"authorization": value} if value is not None else {}
            yield Attempt(f"{name} on {path}", post(path, body, headers))
        for name, headers in _wrong_places():
            yield Attempt(f"{name} on {path}", post(path, body, headers))
        for field in ("api_key", "key", "token", "access_token"):
            yield Attempt(f"?{field}= on {path}", post(f"{path}?{field}={KEY}", body))
            yield Attempt(f"{field} in the body of {path}", post(path, {**body, field: KEY}))
    for path in ENGINE_ROUTES:
        for name, headers in (("no key", {}), ("a key", authorization())):
            yield Attempt(f"POST {path} with {name}", post(path, TEXT_BODY, headers))
            yield Attempt(f"GET {path} with {name}", b"GET" + post(path, b"", headers)[4:])
    for path in DISGUISES:
        for name, headers in (("no key", {}), ("a key", authorization())):
            yield Attempt(f"{path} with {name}", post(path, CHAT_BODY, headers))
    for path in ("/v1/models", "/v1/jobs/none", "/console/state"):
        yield Attempt(f"GET {path} with no key", b"GET" + post(path, b"")[4:])


def _tokens(identity: Identity) -> Iterator[tuple[str, str]]:
    for name, token in [
        *_unsigned(identity),
        *_confused(identity),
        *_wrong_claims(identity),
        *_malformed(identity),
    ]:
        yield name, f"Bearer {token}"


def _unsigned(identity: Identity) -> Iterator[tuple[str, str]]:
    for algorithm in ("none", "None", "NONE", "nOnE", "", None, "null", ["none"], 0):
        header = {"alg": algorithm, "typ": "JWT", "kid": KID}
        forged = identity.forge(header)
        yield f"alg {algorithm!r}", forged
        yield f"alg {algorithm!r}, no signature", forged.rpartition(".")[0] + "."
    good = identity.token()
    first, _, signature = good.rpartition(".")
    yield "a good token's signature cut off", f"{first}."
    yield "a good token's signature cut short", f"{first}.{signature[:20]}"
    yield "a good token's signature turned around", f"{first}.{signature[::-1]}"
    changed = encode(claims() | {"tenant": "team-b"})
    yield "a good token's claims changed", f"{first.partition('.')[0]}.{changed}.{signature}"
    head = {"alg": "ES256", "kid": EC_KID}
    for name, raw in (("zeros", bytes(64)), ("ones", b"\xff" * 64), ("nothing", b"")):
        yield f"ES256 of {name}", f"{encode(head)}.{encode(claims())}.{encode(raw)}"


def _confused(identity: Identity) -> Iterator[tuple[str, str]]:
    """Keys that the thief chose, or that everybody knows."""
    pem, jwks = identity.public_pem(), orjson.dumps(identity.jwks())
    for name, secret in (
        ("PEM", pem),
        ("stripped PEM", pem.strip()),
        ("JWKS", jwks),
        ("empty", b""),
    ):
        for algorithm in ("HS256", "hs256", "RS256", "HS512"):
            header = {"alg": algorithm, "typ": "JWT", "kid": KID}
            yield f"{algorithm} by HMAC with the {name}", identity.forge(header, secret=secret)
    kids: tuple[Any, ...] = (
        *(
            "../../../../dev/null",
            "/dev/null",
            "file:///dev/null",
            "' UNION SELECT 'x' --",
            "x\x00",
        ),
        *("http://127.0.0.1:1/jwks", "", None, 0, ["rsa-1"], {"a": 1}, "rsa-2", "RSA-1", "rsa-1 "),
    )
    for kid in kids:
        yield f"kid {kid!r}", identity.forge({"alg": "HS256", "kid": kid})
        yield f"kid {kid!r}, RS256", identity.forge({"alg": "RS256", "kid": kid})
    thief = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own = Identity(rsa_key=thief, ec_key=identity.ec_key).jwks()["keys"][0]
    yield "another's signature", identity.token(key=thief)
    yield "a key in the header", identity.token(key=thief, header_jwk=own)
    for field in ("jku", "x5u"):
        yield (
            f"{field} in the header",
            identity.token(key=thief, **{f"header_{field}": "http://127.0.0.1:1/"}),
        )
    yield "x5c in the header", identity.token(key=thief, header_x5c=["MIIB"])
    for algorithm in ("RS384", "RS512", "PS256"):
        yield f"a good signature by {algorithm}", identity.token(algorithm=algorithm)
    yield "the wrong key's id", identity.token(kid=EC_KID)
    yield "ES256 under the RSA key's id", identity.token(algorithm="ES256", kid=KID)
    yield "a critical header", identity.token(header_crit=["b64"], header_b64=False)


def _wrong_claims(identity: Identity) -> Iterator[tuple[str, str]]:
    now = int(time.time())
    wrong: dict[str, tuple[Any, ...]] = {
        "exp": (now - 60, 0, -1, None, "soon", [now + 60], True, "", 1e300),
        "nbf": (now + 600, "x", [1]),
        "aud": ("other", None, "", [], ["other"], "goldsmith ", {"goldsmith": 1}, "GOLDSMITH"),
        "iss": (
            "https://thief.test/",
            None,
            "",
            ["https://identity.test/"],
            "https://identity.test",
        ),
        "tenant": (None, "", "Team-A", "../team-a", "a b", ["team-a"], {"x": 1}, 7, "a" * 64, "é"),
    }
    for name, values in wrong.items():
        for value in values:
            if name == "exp" and value == 1e300:
                continue  # far away, yet it does name an end
            if name == "iss" and isinstance(value, list):
                token = _signed(identity, claims() | {name: value})
            else:
                token = (
                    identity.token(**{name: value})
                    if _encodes(name, value)
                    else _signed(identity, claims() | {name: value})
                )
            yield f"{name} {value!r}"[:60], token


def _encodes(name: str, value: Any) -> bool:
    """Whether the library would sign it as it is."""
    return name == "tenant" or value is None or isinstance(value, int | str)


def _signed(identity: Identity, payload: Any) -> str:
    """A payload that no library would sign, with a good signature."""
    return jwt.api_jws.encode(
        orjson.dumps(payload), identity.rsa_key, algorithm="RS256", headers={"kid": KID}
    )


def _malformed(identity: Identity) -> Iterator[tuple[str, str]]:
    good = identity.token()
    deep = b"[" * 3000 + b"]" * 3000
    for payload in (b"", b"[]", b"1", b'"x"', b"{", b"\xff", deep):
        header = encode({"alg": "RS256", "kid": KID})
        yield f"payload {payload[:8]!r}", f"{header}.{encode(payload)}.{encode(b'x')}"
        yield f"signed payload {payload[:8]!r}", _signed_bytes(identity, payload)
        yield f"header {payload[:8]!r}", f"{encode(payload)}.{encode(claims())}.{encode(b'x')}"
    for name, token in (
        ("five parts", f"{good}.x.y"),
        ("two parts", good.rpartition(".")[0]),
        ("dots", ".."),
        ("padding", good.replace(".", "=.")),
        ("another alphabet", good.replace("-", "+").replace("_", "/") + "+"),
        ("much too long", good + "A" * 9000),
        ("a space", good[:40] + " " + good[40:]),
        ("twice", f"{good},{good}"),
    ):
        yield f"a token with {name}", token


def _signed_bytes(identity: Identity, payload: bytes) -> str:
    return jwt.api_jws.encode(payload, identity.rsa_key, algorithm="RS256", headers={"kid": KID})


def _keys() -> Iterator[tuple[str, str | None]]:
    """Keys that are nearly right."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    yield "no credential", None
    yield from (
        ("an empty credential", ""),
        ("Bearer alone", "Bearer"),
        ("Bearer and spaces", "Bearer    "),
        ("a key cut short", f"Bearer {KEY[:-1]}"),
        ("a key and more", f"Bearer {KEY}x"),
        ("a key in upper case", f"Bearer {KEY.upper()}"),
        ("a key's digest", f"Bearer {digest}"),
        ("a key's digest by name", f"Bearer sha256:{digest}"),
        ("a key under Basic", f"Basic {KEY}"),
        ("a key under Token", f"Token {KEY}"),
        ("a key alone", KEY),
        ("two keys", f"Bearer {KEY}, Bearer {KEY}"),
        ("a quoted key", f'Bearer "{KEY}"'),
        ("a key with a tab", f"Bearer\t{KEY}"),
        ("null", "Bearer null"),
        ("undefined", "Bearer undefined"),
        ("a star", "Bearer *"),
        ("a quote", "Bearer ' OR '1'='1"),
    )


def _wrong_places() -> Iterator[tuple[str, dict[str, str]]]:
    for name in (
        "x-api-key",
        "api-key",
        "x-goldsmith-key",
        "proxy-authorization",
        "x-authorization",
    ):
        yield f"a key in {name}", {name: f"Bearer {KEY}"}
    yield "a key in a cookie", {"cookie": f"authorization={KEY}; key={KEY}"}
    for name in ("x-tenant", "x-tenant-id", "openai-organization", "x-forwarded-user", "x-user"):
        yield f"a tenant in {name}", {name: "team-a"}
    yield "from this machine", {"x-forwarded-for": "127.0.0.1", "host": "localhost"}
