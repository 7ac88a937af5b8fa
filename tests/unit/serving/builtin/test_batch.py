"""A row's answer does not depend on who else decodes, when they come, or with which adapter."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from goldsmith.errors import ArtefactError
from goldsmith.rollouts.policy import Policy, load_policy
from goldsmith.serving.builtin.batch import Batch
from goldsmith.serving.builtin.lora import Adapter, layer_shapes, read_adapter
from tests.fixtures.builtin_engine import GOLD, write_adapter

CONTEXT = 128
PROMPTS = ["take the knife", "open fridge", "<think>", "cook the red onion with the stove and eat"]


@dataclass(eq=False)
class Line:
    """One row of the test: how long it goes, and what came."""

    prompt: tuple[int, ...]
    adapter: Adapter | None
    length: int
    ids: list[int] = field(default_factory=list)


class Player:
    """Decodes lines greedily; lines come and go at any token."""

    def __init__(self, batch: Batch) -> None:
        self.batch, self.lines = batch, []

    def join(self, line: Line) -> None:
        line.ids.append(int(self.batch.join(line.prompt, line.adapter).argmax(-1)))
        self.lines.append(line)

    def step(self) -> None:
        logits = self.batch.step([line.ids[-1] for line in self.lines])
        for line, token in zip(self.lines, logits.argmax(-1).tolist(), strict=True):
            line.ids.append(token)

    def leave(self, place: int) -> None:
        self.batch.leave(place)
        self.lines[place] = self.lines[-1]
        del self.lines[-1]


def alone(batch: Batch, line: Line) -> list[int]:
    """What a line is when nobody else decodes."""
    player, copy = Player(batch), Line(line.prompt, line.adapter, line.length)
    player.join(copy)
    while len(copy.ids) < copy.length:
        player.step()
    player.leave(0)
    return copy.ids


@pytest.fixture(name="switched", scope="module")
def _switched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, Batch, list[Adapter]]:
    """A model with two adapters."""
    policy, root = load_policy(GOLD), tmp_path_factory.mktemp("adapters")
    shapes = layer_shapes(policy.model)
    adapters = [
        read_adapter(f"a{n}", write_adapter(root / f"a{n}", seed=n), shapes=shapes, max_rank=8)
        for n in range(2)
    ]
    return policy, Batch(policy, places=4, context=CONTEXT, adapters=True), adapters


def test_rows_that_come_and_go_decode_as_if_alone(
    switched: tuple[Policy, Batch, list[Adapter]],
) -> None:
    policy, batch, adapters = switched
    draw = random.Random(0)
    lines = [
        Line(
            tuple(policy.tokenizer(draw.choice(PROMPTS))["input_ids"]),
            draw.choice([None, *adapters]),
            draw.randint(2, 40),
        )
        for _ in range(14)
    ]
    player, waiting = Player(batch), list(lines)
    while waiting or player.lines:
        while waiting and len(batch) < batch.places and (not player.lines or draw.random() < 0.3):
            player.join(waiting.pop())
        if player.lines:
            player.step()
        for place in reversed(range(len(player.lines))):
            if len(player.lines[place].ids) >= player.lines[place].length:
                player.leave(place)
    assert len(batch) == 0 and batch.tokens == 0
    for line in lines:
        assert line.ids[: line.length] == alone(batch, line)


def test_greedy_decoding_is_that_of_transformers(policy: Policy) -> None:
    ids = policy.tokenizer(PROMPTS[0], return_tensors="pt")["input_ids"]
    expected = policy.model.generate(
        ids, max_new_tokens=30, do_sample=False, pad_token_id=policy.pad_id
    )[0, ids.shape[1] :].tolist()
    batch = Batch(policy, places=2, context=CONTEXT, adapters=False)
    player, line = Player(batch), Line(tuple(ids[0].tolist()), None, 30)
    player.join(line)
    for _ in range(29):
        player.step()
    assert len(expected) > 10
    assert line.ids[: len(expected)] == expected


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`")  # peft asks transformers for it
def test_adapter_says_what_peft_says(switched: tuple[Policy, Batch, list[Adapter]]) -> None:
    from peft import PeftModel

    policy, batch, adapters = switched
    prompt = tuple(policy.tokenizer(PROMPTS[3])["input_ids"])
    ours = batch.join(prompt, adapters[0])
    batch.leave(0)
    model = PeftModel.from_pretrained(load_policy(GOLD).model, str(adapters[0].path))
    with torch.inference_mode():
        theirs = model(torch.tensor([prompt])).logits[:, -1]
    assert torch.allclose(ours, theirs, atol=1e-4)
    plain = batch.join(prompt, None)
    batch.leave(0)
    assert not torch.allclose(ours, plain, atol=0.1)


def test_model_that_sees_only_a_window_is_refused(policy: Policy) -> None:
    policy.model.config.layer_types = ["sliding_attention", "full_attention", "full_attention"]
    try:
        with pytest.raises(ArtefactError, match="vllm"):
            Batch(policy, places=1, context=8, adapters=False)
    finally:
        del policy.model.config.layer_types


def test_adapters_of_every_shape_are_read(tmp_path: Path, policy: Policy) -> None:
    shapes = layer_shapes(policy.model)
    folder = write_adapter(tmp_path / "a", rank=2)
    adapter = read_adapter("a", folder, shapes=shapes, max_rank=8)
    assert set(adapter.pairs) == set(shapes) - {"lm_head"}
