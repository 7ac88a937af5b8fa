"""Who may ask."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from goldsmith.config.serving import CredentialSettings
from goldsmith.errors import ConfigError
from goldsmith.serving.router.credentials import Caller, Credentials
from goldsmith.serving.router.jwks import KeySet, read_keys
from goldsmith.serving.router.refusal import Refusal
from tests.fixtures.identity import Identity
from tests.fixtures.serving import KEY, TENANT, key

IDENTITY = Identity()


def identified(authorization: bytes | None, **settings: Any) -> Caller:
    """Whom the credential names, with one key configured."""

    async def run() -> Caller:
        async with aiohttp.ClientSession() as session:
            found = CredentialSettings.model_validate({"keys": [key(KEY, TENANT)], **settings})
            return await Credentials(found, session).identify(authorization)

    return asyncio.run(run())


def test_a_key_names_its_tenant() -> None:
    assert identified(f"Bearer {KEY}".encode()).tenant == TENANT


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param(b"Bearer " + KEY.encode()[:-1], id="short"),
        pytest.param(b"Basic " + KEY.encode(), id="basic"),
        pytest.param(KEY.encode(), id="alone"),
    ],
)
def test_anything_else_is_refused(authorization: bytes | None) -> None:
    with pytest.raises(Refusal) as caught:
        identified(authorization)
    assert caught.value.status == 401


def test_an_open_router_takes_everybody_as_local() -> None:
    assert identified(None, open=True).tenant == "local"
    assert identified(b"Bearer anything", open=True).tenant == "local"
    assert identified(f"Bearer {KEY}".encode(), open=True).tenant == TENANT


def test_a_signed_token_names_its_tenant(tmp_path: Path) -> None:
    token = IDENTITY.token(tenant="team-z")
    caller = identified(f"Bearer {token}".encode(), jwt=IDENTITY.settings(tmp_path))
    assert caller.tenant == "team-z"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": int(time.time()) - 60}, id="expired"),
        pytest.param({"exp": None}, id="no end"),
        pytest.param({"aud": "other"}, id="audience"),
        pytest.param({"iss": "https://thief.test/"}, id="issuer"),
        pytest.param({"tenant": "Team Z"}, id="tenant"),
        pytest.param({"kid": "nobody"}, id="key id"),
        pytest.param({"algorithm": "PS256"}, id="algorithm"),
        pytest.param({"header_crit": ["b64"], "header_b64": True}, id="critical header"),
    ],
)
def test_a_token_that_is_not_quite_right_is_refused(tmp_path: Path, claims: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        token = IDENTITY.token(**claims)
        identified(f"Bearer {token}".encode(), jwt=IDENTITY.settings(tmp_path))
    assert caught.value.status == 401


def test_a_token_signed_with_the_public_key_as_secret_is_refused(tmp_path: Path) -> None:
    forged = IDENTITY.forge({"alg": "HS256", "kid": "rsa-1"}, secret=IDENTITY.public_pem())
    with pytest.raises(Refusal):
        identified(f"Bearer {forged}".encode(), jwt=IDENTITY.settings(tmp_path))


def test_a_token_is_refused_once_it_has_ended(tmp_path: Path, monkeypatch: Any) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            settings = CredentialSettings.model_validate({"jwt": IDENTITY.settings(tmp_path)})
            credentials = Credentials(settings, session)
            token = f"Bearer {IDENTITY.token()}".encode()
            assert await credentials.identify(token) == credentials.known(token)
            late = time.time() + 4000
            monkeypatch.setattr(time, "time", lambda: late)
            assert credentials.known(token) is None  # it would have to be verified again

    asyncio.run(run())


def test_unknown_key_ids_do_not_make_it_fetch_again_and_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            file = Path(IDENTITY.settings(tmp_path)["jwks"])
            keys = KeySet(str(file), session)
            assert await keys.find("rsa-1")
            file.unlink()
            for number in range(50):
                assert await keys.find(f"unknown-{number}") is None
            assert await keys.find("rsa-1")  # a fetch would have failed; the key is still there

    asyncio.run(run())


def test_weak_and_symmetric_keys_are_left_out() -> None:
    good = IDENTITY.jwks()["keys"]
    weak = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"}
    assert read_keys({"keys": [*good, weak, {"kid": "x"}, 7]}).keys() == {"rsa-1", "ec-1"}


def test_keys_are_not_fetched_in_the_clear() -> None:
    source = {"jwks": "http://identity.test/keys", "issuer": "i", "audience": "a"}
    with pytest.raises(ConfigError, match="not https"):
        identified(None, jwt=source)
