"""Prompts that a group shares, against rows that each have their own. results/training.json.

Training: forward and backward over 8 prompts x 8 completions, prompts of 200 tokens, completions of
24. Decoding: 32 tokens for 8 prompts x 8 rows, prompts of 500 tokens. Gold base, one thread, both
ways of each in turn in the same run.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from goldsmith.registry.bases import SHIPPED
from goldsmith.rollouts.generation import Decoder
from goldsmith.rollouts.policy import Policy, load_policy
from goldsmith.training.trl_adapter import _shared_prefix_logps

RESULTS = Path(__file__).parent / "results" / "training.json"
PROMPTS, SAMPLES, PROMPT, COMPLETION, REPEATS, SEED = 8, 8, 200, 24, 7, 0
DECODED_PROMPT, DECODED = 500, 32


def seconds(work: Callable[[], object]) -> float:
    """Of one piece of work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def pairs(own: Callable[[], object], shared: Callable[[], object]) -> list[dict[str, float]]:
    """Seconds of both, in turns, so that drift of the machine hits both alike."""
    found = [{"own": seconds(own), "shared": seconds(shared)} for _ in range(REPEATS + 1)]
    return found[1:]


def training() -> list[dict[str, float]]:
    """Log probabilities of a batch and their gradient."""
    model: Any = load_policy(SHIPPED / "gold").model
    prompts = torch.randint(10, 1000, (PROMPTS, PROMPT)).repeat_interleave(SAMPLES, 0)
    ids = torch.cat([prompts, torch.randint(10, 1000, (len(prompts), COMPLETION))], dim=1)
    mask = torch.ones_like(ids)

    def whole() -> None:
        logits = model(input_ids=ids, attention_mask=mask).logits[:, PROMPT - 1 : -1]
        logits.log_softmax(-1).gather(-1, ids[:, PROMPT:, None]).sum().backward()

    def shared() -> None:
        logps, _ = _shared_prefix_logps(model, ids, mask, COMPLETION, temperature=1.0)
        logps.sum().backward()  # type: ignore[no-untyped-call]  # torch's

    return pairs(whole, shared)


def decoding() -> list[dict[str, float]]:
    """Tokens of a batch of rows, one after the other."""
    shared, own = load_policy(SHIPPED / "gold"), load_policy(SHIPPED / "gold")
    own.model._supports_attention_backend = False  # so that each row has its own copy
    prompts = torch.randint(10, 1000, (PROMPTS, DECODED_PROMPT)).tolist()

    @torch.inference_mode()
    def decode(policy: Policy) -> None:
        decoder = Decoder(policy, prompts, samples=SAMPLES)
        assert (decoder.prefix is None) == (policy is own)
        for token in range(DECODED):
            decoder.step([10 + token] * PROMPTS * SAMPLES)

    return pairs(lambda: decode(own), lambda: decode(shared))


def figure(name: str, measured: list[dict[str, float]], *, goal: float) -> dict[str, Any]:
    """The median ratio of the pairs."""
    ratio = statistics.median(pair["own"] / pair["shared"] for pair in measured)
    print(f"{name}: {ratio:.2f}x")
    held = {"goal": f">= {goal:g}", "holds": ratio >= goal}
    return {"name": name, "value": round(ratio, 2), "unit": "x", **held}


def main() -> None:
    """Measure and write down."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    trained, decoded = training(), decoding()
    result = {
        "hardware": {"cpus": os.cpu_count(), "processor": platform.processor()},
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "seeds": [SEED],
        "seconds": {"training": trained, "decoding": decoded},
        "figures": [
            figure("training: speed-up of shared prompts", trained, goal=2),
            figure("decoding: speed-up of shared prompts", decoded, goal=1.3),
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
