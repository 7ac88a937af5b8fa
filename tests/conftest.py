"""What every test needs: no test writes to the user's own files."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_signing_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing key of the test's own, made when it is first needed."""
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "signing.pem"))
