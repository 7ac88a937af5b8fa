"""Manifests are signed, so that whoever can write the store still cannot forge a model.

ECDSA P-256 through the `model-signing` library (sigstore's model-transparency). The private key is
made at first use, in GOLDSMITH_SIGNING_KEY or `~/.config/goldsmith/signing.pem`, mode 0600. Trusted
are this user's own key and the public key in GOLDSMITH_TRUSTED_KEY, a file or the PEM itself, never
a key from the store. The manifest holds every file's sha256, so its bytes are all that is signed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldsmith.errors import IntegrityError, StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_VARIABLE, TRUST_VARIABLE = "GOLDSMITH_SIGNING_KEY", "GOLDSMITH_TRUSTED_KEY"


def sign(manifest: bytes) -> bytes:
    """A detached sigstore bundle over the manifest, made with this user's key."""
    library = _library()
    with tempfile.TemporaryDirectory() as name:
        folder, signature = _laid_out(Path(name), manifest)
        library.signing.Config().use_elliptic_key_signer(private_key=_private_key()).sign(
            folder, signature
        )
        return signature.read_bytes()


def verify(manifest: bytes, signature: bytes, *, key: str) -> None:
    """IntegrityError naming `key` unless a trusted key signed exactly these bytes."""
    library = _library()
    with tempfile.TemporaryDirectory() as name:
        folder, file = _laid_out(Path(name), manifest)
        file.write_bytes(signature)
        reasons = []
        for number, public in enumerate(trusted_keys()):
            (Path(name) / f"{number}.pem").write_bytes(public)
            config = library.verifying.Config().use_elliptic_key_verifier(
                public_key=Path(name) / f"{number}.pem"
            )
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # the library prints warnings
                    config.verify(folder, file)
                return
            except Exception as error:  # it raises many kinds, and each means: not verified
                reasons.append((str(error).strip() or type(error).__name__)[:160])
    raise IntegrityError(
        f"the signature of {key} cannot be trusted",
        why="; ".join(reasons) or "no key is trusted here",
        fix=f"set {TRUST_VARIABLE} to the public key file of whoever signed it",
    )


def public_key() -> bytes:
    """This user's public key (PEM), whose private key is made if there is none."""
    return _public_half(_private_key())


def key_id(public: bytes) -> str:
    """A short name of a public key."""
    return hashlib.sha256(public.strip()).hexdigest()[:16]


def trusted_keys() -> list[bytes]:
    """The public keys (PEM) that may have signed a model: our own and the configured one."""
    keys = [_public_half(path)] if (path := _private_key_path()).is_file() else []
    if configured := os.environ.get(TRUST_VARIABLE):
        inline = configured.startswith("-----BEGIN")
        keys.append(configured.encode() if inline else _read(Path(configured).expanduser()))
    return keys


def _private_key() -> Path:
    """The private key's file; made whole or not at all, and only once among racing processes."""
    path = _private_key_path()
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent) as file:  # mode 0600 from the start
            file.write(_new_key())
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    except OSError as error:
        raise StoreError(
            f"cannot make a signing key at {path}",
            why=error.strerror or str(error),
            fix=f"set {KEY_VARIABLE} to a file that can be written",
        ) from error
    return path


def _private_key_path() -> Path:
    if configured := os.environ.get(KEY_VARIABLE):
        return Path(configured).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "goldsmith" / "signing.pem"


def _new_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_half(path: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization

    try:
        # what `sign` makes; other kinds of key have a public half too
        private: EllipticCurvePrivateKey = serialization.load_pem_private_key(  # type: ignore[assignment]
            _read(path), password=None
        )
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path} is no private key", why=str(error)) from error
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read the key {path}", why=error.strerror or "") from error


def _laid_out(folder: Path, manifest: bytes) -> tuple[Path, Path]:
    """The library signs folders: one that holds the manifest alone, and a place beside it."""
    (folder / "signed").mkdir()
    (folder / "signed" / "manifest.json").write_bytes(manifest)
    return folder / "signed", folder / "signature"


def _library() -> Any:
    """model-signing, imported late: it takes a second."""
    try:
        import model_signing.signing
        import model_signing.verifying
    except ImportError as error:
        raise StoreError(
            "models can be neither signed nor verified",
            why=str(error),
            fix="pip install 'goldsmith[sign]'",
        ) from error
    return model_signing
