"""What every test needs: no test writes to the user's own files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A signing key of the tests' own, made when it is first needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path_factory.mktemp("key") / "signing.pem"))
        yield
