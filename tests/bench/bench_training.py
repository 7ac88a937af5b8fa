"""Log probabilities of an SRL batch: shared prompts against whole rows. results/training.json.

Forward and backward over 8 prompts x 8 completions on the gold base, prompts of 200 tokens and
completions of 24, one thread, both in the same run.
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
from goldsmith.rollouts.policy import load_policy
from goldsmith.training.trl_adapter import _shared_prefix_logps

RESULTS = Path(__file__).parent / "results" / "training.json"
PROMPTS, SAMPLES, PROMPT, COMPLETION, REPEATS, SEED = 8, 8, 200, 24, 7, 0


def seconds(work: Callable[[], torch.Tensor]) -> float:
    """Of one forward and backward."""
    started = time.perf_counter()
    work().sum().backward()  # type: ignore[no-untyped-call]  # torch's
    return time.perf_counter() - started


def main() -> None:
    """Measure in turns, so that drift of the machine hits both alike."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model: Any = load_policy(SHIPPED / "gold").model
    prompts = torch.randint(10, 1000, (PROMPTS, PROMPT)).repeat_interleave(SAMPLES, 0)
    ids = torch.cat([prompts, torch.randint(10, 1000, (len(prompts), COMPLETION))], dim=1)
    mask = torch.ones_like(ids)

    def whole() -> torch.Tensor:
        logits = model(input_ids=ids, attention_mask=mask).logits[:, PROMPT - 1 : -1]
        logps = logits.log_softmax(-1)
        return logps.gather(-1, ids[:, PROMPT:, None])  # type: ignore[no-any-return]  # of Any

    def shared() -> torch.Tensor:
        return _shared_prefix_logps(model, ids, mask, COMPLETION, temperature=1.0)[0]

    pairs = [(seconds(whole), seconds(shared)) for _ in range(REPEATS + 1)][1:]
    ratio = statistics.median(a / b for a, b in pairs)
    result = {
        "hardware": {"cpus": os.cpu_count(), "processor": platform.processor()},
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "seeds": [SEED],
        "seconds": [{"whole_rows": a, "shared_prompts": b} for a, b in pairs],
        "figures": [
            {
                "name": "speed-up of shared prompts over whole rows",
                "value": round(ratio, 2),
                "unit": "x",
                "goal": ">= 2",
                "holds": ratio >= 2,
            }
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"shared prompts: {ratio:.2f}x")


if __name__ == "__main__":
    main()
