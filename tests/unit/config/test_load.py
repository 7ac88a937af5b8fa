"""From profile, file and flags to a RunConfig; each mistake is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from goldsmith.config.load import load_config, profiles
from goldsmith.config.run import RunConfig
from goldsmith.errors import ConfigError

MISTAKES = [
    pytest.param("srl.grop_size=4", "did you mean srl.group_size?", id="unknown key"),
    pytest.param("group_size=4", "did you mean srl.group_size or rlvr.group_size?", id="section"),
    pytest.param("sed=1", "did you mean seed?", id="unknown top key"),
    pytest.param("zzz.y=1", "there are: collaborate, domain", id="nothing near"),
    pytest.param("register_.keep_held=true", "did you mean register?", id="attribute, not key"),
    pytest.param("srl.group_size=1", "greater than or equal to 2", id="too small"),
    pytest.param("srl.group_size=many", "valid integer", id="no number"),
    pytest.param("srl.group_size=2.5", "fractional", id="fraction"),
    pytest.param("srl.learning_rate=.nan", "finite number", id="not a number"),
    pytest.param("srl.learning_rate=.inf", "finite number", id="infinite"),
    pytest.param("srl.mode=best", "'ours' or 'paper'", id="choice"),
    pytest.param("srl.kl_target=0", "greater than 0", id="no KL is null"),
    pytest.param("tier=golden", "'bronze', 'silver' or 'gold'", id="tier"),
    pytest.param("seed=-1", "greater than or equal to 0", id="negative seed"),
    pytest.param("seed=4294967296", "less than 4294967296", id="seed too big"),
    pytest.param("srl=3", "impossible value srl = 3", id="section is a number"),
    pytest.param("seed.x=3", "seed is a value and has no keys", id="key below a value"),
    pytest.param("evaluate.suites.0.games=0", "greater than 0", id="in a list"),
    pytest.param("evaluate.suites.0.gmes=1", "evaluate.suites.0.games?", id="key in a list"),
    pytest.param("evaluate.suites.9.games=1", "use 0 to 2", id="no such item"),
    pytest.param("evaluate.suites.x=1", "use 0 to 2", id="item without number"),
    pytest.param("srl.group_size", "not key=value", id="no value"),
    pytest.param("=4", "not key=value", id="no key"),
]


@pytest.mark.parametrize(("flag", "expected"), MISTAKES)
def test_a_mistaken_flag_is_one_line_that_says_what_is_right(flag: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("smoke", overrides=[flag])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("srl: {group_sise: 4}", "did you mean srl.group_size?", id="unknown key"),
        pytest.param("- a\n- b", "is not a mapping", id="list"),
        pytest.param("srl: {", "is not YAML", id="broken"),
        pytest.param("srl: !!python/object:os.system {}", "is not YAML", id="python object"),
    ],
)
def test_a_mistaken_file_is_one_line(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=expected.replace("?", r"\?")) as caught:
        load_config(file=tmp_path / "run.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_config(file=tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(file=tmp_path / "run.yaml")


def test_an_unknown_profile_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"did you mean laptop\?"):
        load_config("labtop")


@pytest.mark.parametrize("profile", profiles())
def test_every_shipped_profile_is_valid(profile: str) -> None:
    assert isinstance(load_config(profile), RunConfig)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("srl: {group_size: 4, updates: 7}")
    config = load_config(file=tmp_path / "run.yaml", overrides=["srl.group_size=6"])
    assert (config.srl.group_size, config.srl.updates) == (6, 7)
    assert config.srl.temperature == RunConfig().srl.temperature


def test_a_flag_reaches_into_a_list_and_its_value_is_yaml() -> None:
    flags = ["evaluate.suites.0.games=9", "srl.learning_rate=1e-4", "srl.kl_target=null"]
    config = load_config("smoke", overrides=flags)
    assert config.evaluate.suites[0].games == 9
    assert (config.srl.learning_rate, config.srl.kl_target) == (1e-4, None)


def test_paper_mode_refuses_a_kl_target_and_ours_takes_one() -> None:
    with pytest.raises(ConfigError, match=r"srl.kl_target = 0.1: mode paper has no KL"):
        load_config("smoke", overrides=["srl.mode=paper", "srl.kl_target=0.1"])
    assert load_config("smoke", overrides=["srl.mode=paper"]).srl.kl_target is None
    assert load_config("smoke", overrides=["srl.kl_target=0.1"]).srl.kl_target == 0.1


def test_sections_are_named_as_in_yaml_and_read_back() -> None:
    config = load_config("smoke")
    assert "register" in config.sections()
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


HEAVY = [
    "torch",
    "kfp",
    "textworld",
    "matplotlib",
    "scipy",
    "tantivy",
    "boto3",
    "trl",
    "kubernetes",
]


@pytest.mark.parametrize("module", ["goldsmith.config.load", "goldsmith.cli"])
def test_import_stays_light(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("[]\n", "")
