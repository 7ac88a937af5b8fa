"""What `tier/adapter` stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.serving.router.aliases import Aliases
from goldsmith.serving.router.refusal import Refusal

OLD, NEW = "cook--000000000001", "cook--000000000002"


def test_the_higher_epoch_wins() -> None:
    aliases = Aliases()
    aliases.flip("gold", "cook", OLD, 1)
    aliases.flip("gold", "cook", NEW, 2)
    with pytest.raises(Refusal) as caught:
        aliases.flip("gold", "cook", OLD, 1)
    assert caught.value.status == 409
    assert aliases.resolve("gold", "cook") == NEW


def test_the_same_flip_again_is_no_conflict() -> None:
    aliases = Aliases()
    aliases.flip("gold", "cook", OLD, 1)
    aliases.flip("gold", "cook", OLD, 1)
    with pytest.raises(Refusal):
        aliases.flip("gold", "cook", NEW, 1)


@given(st.permutations([(NEW, 3), (OLD, 2), (OLD, 1), (OLD, 4)]))
def test_flips_in_any_order_end_at_the_highest_epoch(flips: list[tuple[str, int]]) -> None:
    aliases = Aliases()
    for name, epoch in flips:
        try:
            aliases.flip("gold", "cook", name, epoch)
        except Refusal as refusal:
            assert refusal.status == 409
    assert aliases.of("gold")["cook"].epoch == 4


def test_an_unknown_adapter_names_the_nearest() -> None:
    aliases = Aliases()
    aliases.flip("gold", "cook", OLD, 1)
    with pytest.raises(Refusal, match=r"did you mean cook\?"):
        aliases.resolve("gold", "cock")
    with pytest.raises(Refusal, match="tier silver has no adapters"):
        aliases.resolve("silver", "cook")


def test_after_a_start_loaded_versions_are_adopted_where_there_is_no_choice() -> None:
    aliases = Aliases()
    aliases.adopt("gold", ["gold", OLD, "math--00000000000a", "math--00000000000b"])
    assert aliases.resolve("gold", "cook") == OLD
    assert "math" not in aliases.of("gold")
    aliases.flip("gold", "cook", NEW, 1)
    aliases.adopt("gold", [OLD])
    assert aliases.resolve("gold", "cook") == NEW
