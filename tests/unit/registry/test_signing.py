"""Signatures: made with a private key of our own, believed only from trusted keys."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldsmith.errors import IntegrityError, StoreError
from goldsmith.registry import signing


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "keys" / "signing.pem"))
    monkeypatch.delenv("GOLDSMITH_TRUSTED_KEY", raising=False)
    return tmp_path / "keys" / "signing.pem"


def test_what_we_signed_is_verified() -> None:
    signing.verify(b'{"a":1}', signing.sign(b'{"a":1}'), key="m")


def test_one_changed_byte_is_seen() -> None:
    signature = signing.sign(b'{"a":1}')
    with pytest.raises(IntegrityError, match="the signature of m cannot be trusted"):
        signing.verify(b'{"a":2}', signature, key="m")


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"\xff", b'{"verificationMaterial":{}}'])
def test_a_signature_that_is_none_is_refused(junk: bytes) -> None:
    signing.public_key()
    with pytest.raises(IntegrityError, match="cannot be trusted"):
        signing.verify(b"{}", junk, key="m")


def test_the_private_key_is_made_once_and_for_its_owner_only(key: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        publics = set(pool.map(lambda _: signing.public_key(), range(8)))
    assert len(publics) == 1
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.iterdir()] == ["signing.pem"]


def test_anothers_signature_counts_only_if_its_key_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature, public = signing.sign(b"{}"), signing.public_key()
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "other.pem"))
    signing.public_key()
    with pytest.raises(IntegrityError, match="set GOLDSMITH_TRUSTED_KEY"):
        signing.verify(b"{}", signature, key="m")
    (tmp_path / "public.pem").write_bytes(public)
    for told in (str(tmp_path / "public.pem"), public.decode()):
        monkeypatch.setenv("GOLDSMITH_TRUSTED_KEY", told)
        signing.verify(b"{}", signature, key="m")


def test_verifying_makes_no_key_and_trusts_nobody(key: Path) -> None:
    signature = signing.sign(b"{}")
    key.unlink()
    with pytest.raises(IntegrityError, match="no key is trusted here"):
        signing.verify(b"{}", signature, key="m")
    assert not key.exists()


def test_the_key_lies_in_the_users_configuration_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOLDSMITH_SIGNING_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    signing.public_key()
    assert (tmp_path / "config" / "goldsmith" / "signing.pem").is_file()


def test_a_key_file_that_is_none_is_one_clear_line(key: Path) -> None:
    key.parent.mkdir()
    key.write_text("nonsense")
    with pytest.raises(StoreError, match=r"signing\.pem is no private key"):
        signing.public_key()


def test_a_trusted_key_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = signing.sign(b"{}")
    monkeypatch.setenv("GOLDSMITH_TRUSTED_KEY", "/no/such/key.pem")
    with pytest.raises(StoreError, match=r"cannot read the key /no/such/key\.pem"):
        signing.verify(b"{}", signature, key="m")


def test_a_place_where_no_key_can_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "file" / "key.pem"))
    with pytest.raises(StoreError, match=r"cannot make a signing key .* set GOLDSMITH_SIGNING_KEY"):
        signing.sign(b"{}")
