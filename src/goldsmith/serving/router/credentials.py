"""Who asks: an API key or a signed token names the tenant; nothing else in a request does."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt

from goldsmith.config.serving import CredentialSettings, JWTSettings, KeySettings
from goldsmith.serving.router.jwks import KeySet, check_source
from goldsmith.serving.router.limits import Allowance
from goldsmith.serving.router.refusal import Refusal

LOCAL = "local"
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MALFORMED = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
_LONGEST_TOKEN, _MOST_CACHED, _LEEWAY_S = 8192, 4096, 5


@dataclass(frozen=True, slots=True)
class Caller:
    """One who may ask, and what is counted for them."""

    tenant: str
    allowances: tuple[Allowance, ...] = ()


class Credentials:
    """Knows keys by their SHA-256 and tokens by their signature."""

    def __init__(self, settings: CredentialSettings, session: aiohttp.ClientSession) -> None:
        now = time.monotonic()
        self.tenants = {name: Allowance(each, now) for name, each in settings.tenants.items()}
        self._keys = {key.sha256: self._caller(key, now) for key in settings.keys}
        self._local = Caller(LOCAL, self._of(LOCAL)) if settings.open else None
        self._tokens: dict[bytes, tuple[Caller, float]] = {}
        self._jwt, self._keyset = settings.jwt, None
        if settings.jwt:
            check_source(settings.jwt.jwks)
            self._keyset = KeySet(settings.jwt.jwks, session)

    @property
    def open(self) -> bool:
        """Whether anybody may ask."""
        return self._local is not None

    def known(self, authorization: bytes | None) -> Caller | None:
        """The caller, if no key has to be fetched for that; Refusal (401) for no credential."""
        secret = _bearer(authorization)
        if secret:
            digest = hashlib.sha256(secret)
            caller = self._by_key(digest.hexdigest()) or self._by_token(digest.digest())
            if caller is not None:
                return caller
            if self._jwt is not None and secret.count(b".") == 2:
                return None
        if self._local is not None:
            return self._local
        raise refused("no such key" if secret else "no credential")

    async def verify(self, authorization: bytes | None) -> Caller:
        """The caller whom a signed token names; Refusal (401)."""
        secret = _bearer(authorization)
        if self._jwt is None or self._keyset is None:
            raise refused("no such key")
        tenant, expires = await _read_token(secret, self._jwt, self._keyset)
        caller = Caller(tenant, self._of(tenant))
        if len(self._tokens) >= _MOST_CACHED:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[hashlib.sha256(secret).digest()] = (caller, expires)
        return caller

    async def identify(self, authorization: bytes | None) -> Caller:
        """The caller; Refusal (401)."""
        return self.known(authorization) or await self.verify(authorization)

    def _by_key(self, digest: str) -> Caller | None:
        found = self._keys.get(digest)
        return found[1] if found and hmac.compare_digest(found[0], digest) else None

    def _by_token(self, digest: bytes) -> Caller | None:
        found = self._tokens.get(digest)
        if found is None:
            return None
        if time.time() < found[1]:
            return found[0]
        del self._tokens[digest]
        return None

    def _caller(self, key: KeySettings, now: float) -> tuple[str, Caller]:
        limits = key.limits
        bounded = limits.requests_per_minute or limits.tokens_per_minute or limits.usd_per_day
        own = (Allowance(limits, now),) if bounded else ()
        return key.sha256, Caller(key.tenant, own + self._of(key.tenant))

    def _of(self, tenant: str) -> tuple[Allowance, ...]:
        return (self.tenants[tenant],) if tenant in self.tenants else ()


def refused(why: str) -> Refusal:
    """Who it is stays unknown."""
    fix = "send `Authorization: Bearer <key>`"
    return Refusal(401, "invalid_api_key", "the credential is refused", why=why, fix=fix)


def _bearer(authorization: bytes | None) -> bytes:
    if not authorization:
        return b""
    scheme, _, secret = authorization.partition(b" ")
    secret = secret.strip()
    if scheme.lower() != b"bearer" or len(secret) > _LONGEST_TOKEN:
        return b""
    return secret


async def _read_token(secret: bytes, settings: JWTSettings, keyset: KeySet) -> tuple[str, float]:
    """(tenant, when the token ends); Refusal (401)."""
    try:
        header = jwt.get_unverified_header(secret)
        kid = header.get("kid")
        accepted = header.get("alg") in settings.algorithms and "crit" not in header
        if not accepted or not isinstance(kid, str) or not kid:
            raise refused("the token's algorithm or key id is not accepted")
        key = await keyset.find(kid)
        if key is None:
            raise refused("the token is signed with an unknown key")
        claims: dict[str, Any] = jwt.decode(
            secret,
            key,
            algorithms=list(settings.algorithms),
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=_LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
    except _MALFORMED as error:
        raise refused(f"the token is not valid ({type(error).__name__})") from None
    tenant = claims.get(settings.tenant_claim)
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise refused(f"the token's claim {settings.tenant_claim!r} names no tenant")
    return tenant, float(claims["exp"]) + _LEEWAY_S
