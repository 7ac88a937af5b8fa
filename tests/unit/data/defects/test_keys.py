"""Equal keys are found whatever their number, in parts on disk."""

from collections import defaultdict
from random import Random

import pytest

from goldsmith.data.defects.keys import KeyLog


@pytest.mark.parametrize("count", [0, 1, 50, 40_000])
def test_groups_are_those_of_a_dictionary(count):
    rng, log, wanted = Random(count), KeyLog(), defaultdict(list)
    for number in range(count):
        key = rng.randrange(count).to_bytes(2) * 4
        log.add(key, number)
        wanted[key].append(number)
    groups = sorted(numbers for numbers in wanted.values() if len(numbers) > 1)
    assert sorted(log.groups()) == groups
    log.close()


def test_numbers_are_found_by_their_key():
    log = KeyLog()
    for number in range(1000):
        log.add(f"{number % 100:08}".encode(), number)
    assert sorted(log.having([b"00000007", b"none.."[:8].ljust(8)])) == list(range(7, 1000, 100))
    assert not list(log.having([]))
    log.close()
