"""Manifests carry their own hash."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.config.run import RollOutConfig
from goldsmith.errors import IntegrityError
from goldsmith.store.manifest import digest_of, seal, unseal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key != "sha256"), JSON, max_size=4))
def test_what_is_sealed_is_unsealed(document: dict[str, Any]) -> None:
    found = unseal(seal(document), key="k")
    assert len(found.pop("sha256")) == 64
    assert found == document


def test_sealing_does_not_depend_on_order_or_on_who_sealed_before() -> None:
    once = seal({"a": 1, "b": (2, 3)})
    assert seal({"b": [2, 3], "a": 1}) == once == seal(unseal(once, key="k"))


def test_every_changed_bit_is_seen() -> None:
    data = seal({"kind": "alias", "live": "v-1", "epoch": 3})
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises(IntegrityError, match="aliases/gold is damaged"):
                unseal(bytes(changed), key="aliases/gold")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no hash"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(seal({"a": 1})[:-10], id="cut short"),
        pytest.param(seal({"a": 1}) + b" ", id="longer"),
    ],
)
def test_what_was_never_sealed_is_damaged(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="m is damaged"):
        unseal(data, key="m")


def test_a_digest_takes_configuration_as_it_is() -> None:
    assert digest_of({"config": RollOutConfig()}) == digest_of({"config": {"enabled": True}})


def test_a_number_that_is_not_one_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal({"score": float("nan")})
