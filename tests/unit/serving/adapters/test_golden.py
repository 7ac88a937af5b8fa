"""The golden prompt tells an adapter that is used from one that is not."""

from __future__ import annotations

import pytest

from goldsmith.errors import IntegrityError
from goldsmith.serving.adapters.golden import Fingerprint, check

BASE = Fingerprint(("a", "b"), (-0.5, -0.25))
GOOD = Fingerprint(("a", "c"), (-0.4, -0.1))
NOISY = Fingerprint(("a", "c"), (-0.42, -0.09))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(BASE, "exactly the base model's", id="not applied"),
        pytest.param(Fingerprint((), ()), "answers nothing", id="nothing"),
        pytest.param(Fingerprint(("a", "d"), (-0.4, -0.1)), "other replicas", id="other tokens"),
        pytest.param(Fingerprint(("a", "c"), (-0.4, -0.9)), "other replicas", id="other numbers"),
        pytest.param(Fingerprint(("a",), (-0.4,)), "other replicas", id="shorter"),
    ],
)
def test_an_adapter_that_is_not_what_it_should_be_is_refused(found: Fingerprint, why: str) -> None:
    with pytest.raises(IntegrityError, match=why):
        check("cook--0", found, base=BASE, reference=GOOD)


def test_the_noise_of_another_batch_is_allowed() -> None:
    check("cook--0", NOISY, base=BASE, reference=GOOD)
    check("cook--0", GOOD, base=BASE, reference=None)
