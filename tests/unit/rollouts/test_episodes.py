"""Whole episodes: what a domain plug-in gets wrong there is told with its name and the task."""

import pytest

from goldsmith.errors import DomainError
from goldsmith.rollouts.episodes import Opening, play
from goldsmith.tasks.registry import find_domain
from goldsmith.tasks.transcript import Transcript
from tests.fixtures.data.plugin import TOY, install
from tests.unit.evaluation.counting_policy import CountingPolicy


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("def __init__(self, task):\n", id="environment"),
        pytest.param("def reset(self):\n", id="reset"),
        pytest.param("def step(self, action):\n", id="step"),
    ],
)
def test_a_plug_in_that_raises_is_named_with_its_task(tmp_path, monkeypatch, part):
    install(
        tmp_path, monkeypatch, source=TOY.replace(part, f"{part}        raise KeyError('odd')\n")
    )
    domain = find_domain("toy")
    task = domain.tasks("short", "test", 1)[0]
    opening = Opening(task, Transcript(task.prompt, (), "2 was said."))
    with pytest.raises(DomainError) as error:
        play(
            CountingPolicy(0.9),
            domain,
            [opening],
            samples=2,
            temperature=1.0,
            max_new_tokens=4,
            max_turns=9,
            seed=0,
        )
    assert (
        str(error.value)
        == "domain toy on task toy/short/2 raised: KeyError: 'odd'; mend the plug-in"
    )
