"""Train the three base models: `python -m goldsmith.training.base.pretrain DIRECTORY`.

Language modelling of `corpus.documents`, mostly on the student's own turns. Muon for the hidden
matrices and AdamW for the rest, since Muon learns copying faster at this size. Llama layout, head
size 32, so that plain vLLM loads the result. `bases.json` records shape, seed and digest of each
tier.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from goldsmith.store.directories import digest_directory
from goldsmith.training.base.corpus import FOOD_NAMES, Messages, documents, transcripts
from goldsmith.training.base.tokenizer import train_tokenizer

log = logging.getLogger(__name__)

VOCABULARY = 1024
BATCH = 16
CONTEXT = 1024
WARM_UP, COOL_DOWN = 30, 0.4
READ_WEIGHT = 0.1
"""Loss weight of what the student reads, beside 1 for what it writes."""
Encoded = tuple[list[int], list[float]]
"""Token ids and their loss weights."""


@dataclass(frozen=True)
class Shape:
    """One tier's size and how it is trained; heads have 32 dimensions."""

    width: int
    layers: int
    feed_forward: int
    steps: int
    seed: int


SHAPES = {
    "gold": Shape(width=128, layers=3, feed_forward=320, steps=1800, seed=1),
    "silver": Shape(width=128, layers=4, feed_forward=320, steps=1100, seed=2),
    "bronze": Shape(width=160, layers=5, feed_forward=384, steps=900, seed=3),
}


def main() -> None:
    """Train the tiers that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tier", choices=sorted(SHAPES), action="append")
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    games = transcripts()
    texts = [m["content"] for doc in islice(documents(games, Random(0)), 3000) for m in doc]
    tokenizer = train_tokenizer(texts, size=VOCABULARY, names=FOOD_NAMES)
    for tier in arguments.tier or SHAPES:
        shape = SHAPES[tier]
        model = _model(shape, tokenizer)
        batches = _batches(documents(games, Random(shape.seed)), tokenizer)
        _train(model, batches, arguments.steps or shape.steps)
        _save(model, tokenizer, arguments.directory / tier, shape)


def _model(shape: Shape, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(shape.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=shape.width,
            intermediate_size=shape.feed_forward,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.width // 32,
            num_key_value_heads=shape.width // 32,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _batches(source: Iterator[Messages], tokenizer: Any) -> Iterator[tuple[Any, Any]]:
    """Token ids and loss weights, both (BATCH, tokens), documents of like length together."""
    while True:
        encoded = sorted((_encode(d, tokenizer) for d in islice(source, BATCH * 8)), key=_length)
        order = list(range(0, len(encoded), BATCH))
        for start in Random(len(encoded[0][0])).sample(order, len(order)):
            yield _padded(encoded[start : start + BATCH], tokenizer.pad_token_id)


def _length(document: Encoded) -> int:
    return len(document[0])


def _encode(messages: Messages, tokenizer: Any) -> Encoded:
    ids: list[int] = []
    weights: list[float] = []
    for message in messages:
        role = tokenizer.convert_tokens_to_ids(f"<|{message['role']}|>")
        body = tokenizer(message["content"], add_special_tokens=False)["input_ids"]
        student = message["role"] == "assistant"
        ids += [role, *body, tokenizer.eos_token_id]
        weights += [0.0, *[1.0 if student else READ_WEIGHT] * len(body), float(student)]
    return ids[:CONTEXT], weights[:CONTEXT]


def _padded(documents: list[Encoded], pad: int) -> tuple[Any, Any]:
    width = max(map(_length, documents))
    ids = torch.tensor([d + [pad] * (width - len(d)) for d, _ in documents])
    weights = torch.tensor([w + [0.0] * (width - len(w)) for _, w in documents])
    return ids, weights


def _optimizers(model: Any) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=0.02, weight_decay=0.01),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _schedule(steps: int) -> Any:
    return lambda step: min(1.0, (step + 1) / WARM_UP, (steps - step) / (COOL_DOWN * steps))


def _train(model: Any, batches: Iterator[tuple[Any, Any]], steps: int) -> None:
    optimizers = _optimizers(model)
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, _schedule(steps)) for o in optimizers]
    for step, (ids, weights) in enumerate(islice(batches, steps)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=ids).logits[:, :-1]
        losses = cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
        loss = (losses * weights[:, 1:].flatten()).sum() / weights[:, 1:].sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % 50 == 0 or step == steps - 1:
            log.info("step %d/%d loss %.3f", step, steps, loss.item())


def _save(model: Any, tokenizer: Any, directory: Path, shape: Shape) -> None:
    """bf16 weights, and in `bases.json` how they came about."""
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    record = directory.parent / "bases.json"
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    known[directory.name] = {
        **asdict(shape),
        "threads": torch.get_num_threads(),
        "digest": digest_directory(directory),
    }
    record.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    log.info("%s: %s", directory.name, known[directory.name])


if __name__ == "__main__":
    main()
