"""Groups of completions, and the refill that keeps dead groups out of an update.

A group whose rewards do not vary has no advantage. SRL's filter (arXiv 2510.25992, section 3.3)
samples until the batch is full of live groups; masking dead ones instead, as ports do, only
shrinks the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import pstdev

from goldsmith.rollouts.generation import Completion


@dataclass(frozen=True)
class Group:
    """G completions of one prompt with their rewards."""

    prompt_ids: tuple[int, ...]
    completions: tuple[Completion, ...]
    rewards: tuple[float, ...]
    """What is optimised, one a completion."""
    measures: dict[str, tuple[float, ...]]
    """What is only logged, by name."""

    @property
    def spread(self) -> float:
        """Population standard deviation of the rewards."""
        return pstdev(self.rewards)


@dataclass(frozen=True)
class Filled:
    """A batch after refill."""

    groups: tuple[Group, ...]
    """As many as were asked for, live ones first."""
    live: int
    rolled: int
    """Groups that were generated in all, discarded ones included."""
    first_live: int
    """Live groups of the first round: the usable share before any refill."""
    first: int
    rounds: int


def fill(
    first: Sequence[int],
    *,
    roll: Callable[[Sequence[int], int], list[Group]],
    redraw: Callable[[int, int], Sequence[int]],
    anybody: Callable[[int], bool],
    epsilon: float,
    rounds: int,
) -> Filled:
    """Roll the `first` instances, then others in place of dead groups, at most `rounds` times.

    `roll(instances, round)` generates; `redraw(count, round)` names other instances; `anybody(n)`
    says whether any rank still misses groups, so that all ranks make the same number of rounds.
    """
    groups = roll(first, 0)
    live = [group for group in groups if group.spread > epsilon]
    dead = [group for group in groups if group.spread <= epsilon]
    first_live, rolled, done = len(live), len(groups), 0
    while done < rounds and anybody(len(first) - len(live)):
        done += 1
        missing = len(first) - len(live)
        fresh = roll(redraw(missing, done), done) if missing else []
        rolled += len(fresh)
        live += [group for group in fresh if group.spread > epsilon]
        dead += [group for group in fresh if group.spread <= epsilon]
    batch = [*live, *dead][: len(first)]
    return Filled(tuple(batch), len(live), rolled, first_live, len(groups), done)
