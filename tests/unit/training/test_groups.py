"""Refill: dead groups are replaced by others that are really generated."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith.training.groups import Filled, Group, fill

DEAD, LIVE = (1.0, 1.0), (0.0, 1.0)


def group(instance: int) -> Group:
    """Even instances have no variance."""
    return Group((instance,), (), LIVE if instance % 2 else DEAD, {})


def run(
    first: Sequence[int], others: list[int], rounds: int, epsilon: float = 0.05
) -> tuple[Filled, list[int]]:
    generated: list[int] = []

    def roll(instances: Sequence[int], round_: int) -> list[Group]:
        generated.extend(instances)
        return [group(instance) for instance in instances]

    filled = fill(
        first,
        roll=roll,
        redraw=lambda count, _: [others.pop(0) for _ in range(count)],
        anybody=bool,
        epsilon=epsilon,
        rounds=rounds,
    )
    return filled, generated


def test_a_batch_of_live_groups_is_not_refilled() -> None:
    filled, generated = run([1, 3], [], rounds=4)
    assert (filled.live, filled.rounds, generated) == (2, 0, [1, 3])


def test_dead_groups_are_replaced_by_generated_ones() -> None:
    filled, generated = run([1, 2, 4], [5, 7], rounds=4)
    assert [g.prompt_ids[0] for g in filled.groups] == [1, 5, 7]
    assert generated == [1, 2, 4, 5, 7]


def test_refill_goes_on_for_as_many_rounds_as_allowed_and_no_more() -> None:
    filled, generated = run([2], [4, 6, 8, 9], rounds=3)
    assert (filled.live, filled.rounds, filled.rolled) == (0, 3, 4)
    assert len(filled.groups) == 1 and 9 not in generated


def test_live_groups_come_first_so_that_the_rest_can_be_masked() -> None:
    filled, _ = run([2, 1], [4], rounds=1)
    assert [g.prompt_ids[0] for g in filled.groups] == [1, 2] and filled.live == 1


def test_usable_share_is_that_of_the_first_round() -> None:
    filled, _ = run([1, 2, 4, 6], [3, 5, 7], rounds=1)
    assert (filled.first_live, filled.first, filled.live) == (1, 4, 4)


def test_spread_must_exceed_epsilon() -> None:
    assert run([1], [2], rounds=1, epsilon=0.5)[0].live == 0
