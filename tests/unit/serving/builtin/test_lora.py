"""An adapter that does not fit the model, or says what is not computed, is not loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from goldsmith.errors import ArtefactError
from goldsmith.serving.builtin.lora import read_adapter
from tests.fixtures.builtin_engine import save_adapter

SHAPES = {"model.layers.0.q_proj": (4, 6)}
AT = "base_model.model.model.layers.0.q_proj"


def tensors(*, wide: int = 4, high: int = 6, rank: int = 2) -> dict[str, np.ndarray]:
    return {
        f"{AT}.lora_A.weight": np.ones((rank, wide)),
        f"{AT}.lora_B.weight": np.ones((high, rank)),
    }


def read(folder: Path) -> dict[str, tuple[object, object]]:
    return dict(read_adapter("a", folder, shapes=SHAPES, max_rank=4).pairs)


def test_scale_is_alpha_by_rank(tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "a", tensors(), r=2, lora_alpha=6)
    _, raised = read_adapter("a", folder, shapes=SHAPES, max_rank=4).pairs["model.layers.0.q_proj"]
    assert float(raised[0, 0]) == 3.0


def test_rank_stabilised_scale_is_alpha_by_root_of_rank(tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "a", tensors(rank=4), r=4, lora_alpha=6, use_rslora=True)
    _, raised = read_adapter("a", folder, shapes=SHAPES, max_rank=4).pairs["model.layers.0.q_proj"]
    assert float(raised[0, 0]) == 3.0


@pytest.mark.parametrize(
    ("changed", "config", "words"),
    [
        pytest.param(tensors(wide=5), {}, "does not fit", id="too wide"),
        pytest.param(tensors(high=5), {}, "does not fit", id="too low"),
        pytest.param({f"{AT}.lora_A.weight": np.ones((2, 4))}, {}, "does not fit", id="half"),
        pytest.param(
            {name.replace("q_proj", "x_proj"): array for name, array in tensors().items()},
            {},
            "no layer",
            id="another model",
        ),
        pytest.param(tensors(), {"use_dora": True}, "use_dora", id="DoRA"),
        pytest.param(tensors(), {"alpha_pattern": {"q_proj": 4}}, "alpha_pattern", id="pattern"),
        pytest.param(tensors(), {"peft_type": "IA3"}, "LORA", id="another kind"),
        pytest.param(tensors(rank=8), {"r": 8}, "rank", id="rank"),
    ],
)
def test_misfit_is_refused(
    changed: dict[str, np.ndarray], config: dict[str, object], words: str, tmp_path: Path
) -> None:
    options: dict[str, object] = {"r": 2, "lora_alpha": 4, **config}
    folder = save_adapter(tmp_path / "a", changed, **options)  # type: ignore[arg-type]
    with pytest.raises(ArtefactError, match=words):
        read(folder)
