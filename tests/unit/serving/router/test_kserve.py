"""The router in KServe's terms."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from goldsmith.config.serving import validate_serving
from goldsmith.errors import ConfigError
from goldsmith.serving.router.kserve import as_transformer, serve_on_kserve
from tests.fixtures.serving import serving_values

CONFIG = validate_serving(serving_values({"gold": ["http://a:1"], "silver": ["http://b:1"]}))


def test_a_transformer_has_its_predictor_as_the_only_tier() -> None:
    config = as_transformer(
        CONFIG, predictor_host="goldsmith-silver-predictor.ml", model_name="goldsmith-silver"
    )
    assert list(config.tiers) == ["silver"]
    assert config.tiers["silver"].endpoints == ("http://goldsmith-silver-predictor.ml",)


def test_a_transformer_of_no_tier_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="names no tier"):
        as_transformer(CONFIG, predictor_host="x", model_name="platinum")


@pytest.mark.skipif(importlib.util.find_spec("kserve") is not None, reason="kserve is installed")
def test_without_kserve_the_flag_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="pip install kserve"):
        serve_on_kserve(CONFIG)


def test_the_router_needs_neither_torch_nor_kserve_nor_vllm() -> None:
    program = (
        "import sys, goldsmith.serving.router.server;"
        "print([name for name in ('torch', 'transformers', 'kserve', 'vllm', 'boto3', 'datasets')"
        " if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr
