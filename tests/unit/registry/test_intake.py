"""What may enter as a model, and what may not."""

import sys
from pathlib import Path

import numpy as np
import pytest

from goldsmith.errors import ArtefactError
from goldsmith.registry.intake import check_artefact
from tests.unit.registry.artefacts import (
    change_json,
    entry,
    write_adapter,
    write_json,
    write_model,
    write_raw,
    write_weights,
)
from tests.unit.registry.hostile import ADAPTERS, MODELS, Breaker


@pytest.mark.parametrize("breaker", MODELS.values(), ids=MODELS.keys())
def test_a_hostile_model_is_refused_in_one_line(tmp_path: Path, breaker: Breaker) -> None:
    directory = write_model(tmp_path / "model")
    check_artefact(directory)
    breaker(directory)
    with pytest.raises(ArtefactError) as caught:
        check_artefact(directory)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("breaker", ADAPTERS.values(), ids=ADAPTERS.keys())
def test_a_hostile_adapter_is_refused(tmp_path: Path, breaker: Breaker) -> None:
    directory = write_adapter(tmp_path / "adapter")
    check_artefact(directory)
    breaker(directory)
    with pytest.raises(ArtefactError):
        check_artefact(directory)


def test_the_hostile_corpus_has_at_least_sixty_artefacts() -> None:
    assert len(MODELS) + len(ADAPTERS) >= 60


def test_a_good_model_is_described(tmp_path: Path) -> None:
    artefact = check_artefact(write_model(tmp_path))
    assert (artefact.form, artefact.architecture) == ("model", "LlamaForCausalLM")
    assert artefact.parameters == 8 * 4 + 4 * 4 + 4


def test_a_good_adapter_is_described(tmp_path: Path) -> None:
    artefact = check_artefact(write_adapter(tmp_path))
    assert (artefact.form, artefact.architecture, artefact.parameters) == ("adapter", "LORA", 16)


def test_a_model_in_two_files_with_a_true_index_is_taken(tmp_path: Path) -> None:
    write_model(tmp_path)
    write_weights(tmp_path / "model-2.safetensors", {"lm_head.weight": np.ones(3, dtype="<f4")})
    names = ["embed_tokens", "layers.0.mlp.up_proj", "norm"]
    index = {f"model.{name}.weight": "model.safetensors" for name in names}
    index["lm_head.weight"] = "model-2.safetensors"
    write_json(tmp_path, "model.safetensors.index.json", {"metadata": {}, "weight_map": index})
    assert check_artefact(tmp_path).parameters == 55


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        pytest.param("BF16", b"\x7f\x7f", id="the largest bfloat16"),
        pytest.param("F8_E4M3", b"\x7e", id="the largest e4m3"),
        pytest.param("F8_E5M2", b"\x7b", id="the largest e5m2"),
        pytest.param("I64", b"\xff" * 8, id="an integer of ones"),
        pytest.param("BOOL", b"\x01", id="a boolean"),
    ],
)
def test_finite_values_of_every_dtype_are_taken(tmp_path: Path, dtype: str, data: bytes) -> None:
    write_model(tmp_path)
    header = '{"t": ' + str(entry(dtype, [1], 0, len(data))).replace("'", '"') + "}"
    write_raw(tmp_path / "model.safetensors", header + "   ", data)
    check_artefact(tmp_path)


def test_what_real_models_carry_is_taken(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "README.md").write_text("# Model card")
    (tmp_path / "LICENSE").write_text("Apache")
    (tmp_path / "merges.txt").write_text("a b")
    write_json(tmp_path, "vocab.json", {"trust_remote_code": 1, "my_implementation": 2})
    write_json(tmp_path, "generation_config.json", {"eos_token_id": [1, 2], "temperature": 0.6})
    change_json(tmp_path, "config.json", _attn_implementation="sdpa", torch_dtype="bfloat16")
    check_artefact(tmp_path)


def test_a_path_that_is_no_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="nothing is no model: it is not a folder"):
        check_artefact(tmp_path / "nothing")


def test_a_template_that_cannot_be_checked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ArtefactError, match="cannot be checked: jinja2 is not installed"):
        check_artefact(write_model(tmp_path))
