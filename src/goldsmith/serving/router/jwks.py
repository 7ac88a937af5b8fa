"""The identity provider's public keys: a file or URL, fetched anew now and then, not on demand."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from goldsmith.errors import ConfigError

log = logging.getLogger(__name__)

MAX_AGE_S, LEAST_WAIT_S, LIMIT_BYTES = 300.0, 10.0, 1 << 20
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class KeySet:
    """Public keys by their id; however many unknown ids are asked for, it is fetched rarely."""

    def __init__(self, source: str, session: aiohttp.ClientSession) -> None:
        self._source, self._session = source, session
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried_at = self._fetched_at = -MAX_AGE_S
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id, None if the provider has none."""
        now = time.monotonic()
        fresh = now - self._fetched_at < MAX_AGE_S
        if (kid in self._keys and fresh) or now - self._tried_at < LEAST_WAIT_S:
            return self._keys.get(kid)
        async with self._lock:
            if self._tried_at <= now:
                await self._fetch()
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        """Old keys stay where the source does not answer."""
        self._tried_at = time.monotonic()
        try:
            self._keys = read_keys(orjson.loads(await self._read()))
            self._fetched_at = time.monotonic()
        except _FAILURES as error:
            log.warning("No new keys from %s: %s", self._source, error)

    async def _read(self) -> bytes:
        if "://" not in self._source:
            return await asyncio.to_thread(Path(self._source).read_bytes)
        timeout = aiohttp.ClientTimeout(total=5)
        async with self._session.get(
            self._source, allow_redirects=False, timeout=timeout
        ) as response:
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            data = await response.content.read(LIMIT_BYTES)
            while chunk := await response.content.read(LIMIT_BYTES):
                data += chunk
                if len(data) > LIMIT_BYTES:
                    raise ValueError(f"more than {LIMIT_BYTES} bytes")
            return data


def read_keys(document: Any) -> dict[str, jwt.PyJWK]:
    """Signature keys with an id; symmetric, weak and unknown ones are left out."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no JSON Web Key Set")
    found = {}
    for entry in document["keys"]:
        if key := _read_key(entry):
            found[str(entry["kid"])] = key
    return found


def _read_key(entry: Any) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or not entry.get("kid") or entry.get("use", "sig") != "sig":
        return None
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        key = jwt.PyJWK.from_dict(entry)
    except jwt.PyJWTError:
        return None
    weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < 2048
    return None if weak else key


def check_source(source: str) -> None:
    """ConfigError for a source of keys that anybody on the way could change."""
    if source.startswith("http://") and not source.startswith(("http://127.0.0.1", "http://[::1]")):
        raise ConfigError(
            f"credentials.jwt.jwks {source!r} is not https", fix="use https or a file"
        )
