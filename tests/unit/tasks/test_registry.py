"""Domains by name: the two that ship, and a clear word about an unknown one."""

import pytest

from goldsmith.errors import ConfigError
from goldsmith.tasks.domain import Domain
from goldsmith.tasks.registry import domain_names, find_domain


@pytest.mark.parametrize("name", ["cooking", "reasoning"])
def test_the_domains_that_ship_are_found(name):
    assert name in domain_names()
    assert isinstance(find_domain(name), Domain)
    assert find_domain(name) is find_domain(name)


def test_an_unknown_domain_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"unknown domain 'coking'; did you mean 'cooking'\?"):
        find_domain("coking")


def test_an_unknown_domain_without_a_near_name_lists_all():
    with pytest.raises(ConfigError, match="use one of cooking, reasoning"):
        find_domain("zzz")
