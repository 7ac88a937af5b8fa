"""The KL controller."""

from __future__ import annotations

import pytest

from goldsmith.training.callbacks import next_beta


@pytest.mark.parametrize(
    ("beta", "kl", "expected"),
    [
        pytest.param(0.1, 0.05, 0.1, id="on target it stays"),
        pytest.param(0.1, 5.0, 0.102, id="far above it rises by 2 percent"),
        pytest.param(0.1, 0.0, 0.098, id="far below it falls by 2 percent"),
        pytest.param(0.1, 0.055, 0.101, id="near the target it moves by a tenth of the error"),
        pytest.param(1.0, 5.0, 1.0, id="never above one"),
        pytest.param(1e-4, 0.0, 1e-4, id="never to zero, where TRL drops the reference"),
    ],
)
def test_next_beta(beta: float, kl: float, expected: float) -> None:
    assert next_beta(beta, kl, 0.05) == pytest.approx(expected)
