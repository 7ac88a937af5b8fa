"""An unknown level is told before a run begins, with what would be right."""

import pytest

from goldsmith.config.load import load_config, profiles
from goldsmith.errors import ConfigError
from goldsmith.tasks.levels import check_levels


@pytest.mark.parametrize("profile", profiles())
def test_every_profile_names_levels_of_its_domain(profile):
    check_levels(load_config(profile))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param(
            ["collaborate.tasks.1.level=meduim"],
            r"level 'meduim' at collaborate\.tasks\.1\.level: cooking has easy, medium, hard, "
            r"expert; did you mean medium\?",
            id="near",
        ),
        pytest.param(["evaluate.suites.0.level=zzz"], "cooking has .*; use one of these", id="far"),
        pytest.param(
            ["domain=reasoning"],
            r"did you mean chain_sum-easy\? \(--profile reasoning names a set\)",
            id="domain-with-a-profile",
        ),
    ],
)
def test_an_unknown_level_is_named_with_those_of_the_domain(flags, expected):
    with pytest.raises(ConfigError, match=expected):
        check_levels(load_config("smoke", overrides=flags))
