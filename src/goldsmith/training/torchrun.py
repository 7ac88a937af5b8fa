"""How the processes of a training job are started, on a laptop and in a pod alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping

ENVIRONMENT: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",  # two contended threads ran 3-10 x slower
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}
SCRATCH = "GOLDSMITH_SCRATCH"
"""The folder that the processes of one machine share."""


def command(store: str, key: str, *options: str) -> list[str]:
    """torchrun of the job whose document is `key` in the store; `options` are torchrun's.

    What they leave out, torchrun takes from the variables PET_*, which the training operator sets.
    """
    worker = ["-m", "goldsmith.training.worker", store, key]
    return [sys.executable, "-m", "torch.distributed.run", *options, *worker]
