"""The data validator streams: a file three times as long takes no more memory.

The figure for 2 GB is in tests/bench/results/validator.json (`bench_validator.py`).
"""

from tests.bench.bench_validator import measure


def test_memory_does_not_grow_with_the_file():
    small, large = (measure(megabytes / 1024, seed=0) for megabytes in (2, 10))
    assert large["records"] == 3 * small["records"]
    assert small["counts"] == large["counts"] == {}
    assert large["peak_mb"] <= 256
    assert large["peak_mb"] - small["peak_mb"] <= 12
