"""Single expert steps: what a plug-in gets wrong there is told with its name and the task."""

import pytest
import torch

from goldsmith.config.run import SRLConfig
from goldsmith.errors import DomainError
from goldsmith.tasks.registry import find_domain
from goldsmith.training.step_source import StepInstance, StepSource
from tests.fixtures.data.plugin import TOY, install, played
from tests.unit.evaluation.counting_policy import CountingPolicy

STEP, NAME = "def step(self, action):\n", 'name = "toy"\n'


@pytest.mark.parametrize(
    ("part", "code"),
    [
        pytest.param(STEP, "        raise KeyError('odd')\n", id="step"),
        pytest.param(
            NAME, "\n    def same_action(self, action, expert):\n        raise KeyError('odd')\n",
            id="same-action",
        ),
    ],
)  # fmt: skip
def test_a_plug_in_that_raises_is_named_with_its_task(tmp_path, monkeypatch, part, code):
    install(tmp_path, monkeypatch)
    sound = find_domain("toy")
    task = sound.tasks("short", "train", 1)[0]
    transcript = played(sound, task, [])
    instance = StepInstance(task, transcript.opening_only(), transcript.turns[0].step)
    (tmp_path / "broken").mkdir()
    install(tmp_path / "broken", monkeypatch, source=TOY.replace(part, part + code))
    source = StepSource(find_domain("toy"), [instance], SRLConfig(group_size=2))
    with pytest.raises(DomainError) as error:
        source.roll(CountingPolicy(1e-9), [0], torch.Generator().manual_seed(0))
    why = "domain toy on task toy/short/0 raised: KeyError: 'odd'; mend the plug-in"
    assert str(error.value) == why
