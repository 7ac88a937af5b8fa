"""Sampling is by tenant and by request, everywhere alike; consent comes first."""

import pytest

from goldsmith.config.serving import TraceSettings
from goldsmith.serving.traces.policy import keeps, position

REQUESTS = [f"req-{number}" for number in range(4000)]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_tenants_share_is_kept(share):
    settings = TraceSettings(sample={"acme": share, "default": 0.5})
    kept = sum(keeps(settings, "acme", request) for request in REQUESTS)
    assert kept == pytest.approx(share * len(REQUESTS), abs=120)


def test_other_tenants_have_the_default_share():
    settings = TraceSettings(sample={"acme": 0.0, "default": 1.0})
    assert keeps(settings, "other", "req-1") and not keeps(settings, "acme", "req-1")


def test_a_larger_share_keeps_what_a_smaller_one_kept():
    small, large = TraceSettings(sample={"default": 0.1}), TraceSettings(sample={"default": 0.3})
    assert all(keeps(large, "a", each) for each in REQUESTS if keeps(small, "a", each))


def test_without_consent_nothing_is_kept_where_it_is_required():
    settings = TraceSettings(require_consent=True, consenting=("acme",))
    assert keeps(settings, "acme", "req-1") and not keeps(settings, "other", "req-1")


def test_positions_are_spread_evenly():
    counts = [0] * 10
    for request in REQUESTS:
        counts[int(10 * position(request))] += 1
    assert min(counts) > 300
