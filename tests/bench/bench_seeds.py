"""Five laptop seeds in full: time, memory, verdict. `make seeds`; results/seeds.json.

Each run has a store of its own, so that every candidate is judged against the shipped base.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "seeds.json"
SEEDS = range(5)
PACKAGES = ("torch", "transformers", "trl", "kfp", "textworld")


def run_seed(seed: int) -> dict[str, Any]:
    """One `goldsmith run --profile laptop`; its manifest in short, seconds and peak memory."""
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "goldsmith.cli", "run", "--profile", "laptop"]
        options = ["--seed", str(seed), "--store", store, "--run-id", f"seed-{seed}", "--json"]
        started = time.monotonic()
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if done.returncode:
            raise SystemExit(f"seed {seed} failed: {done.stderr[-2000:]}")
        gate = json.loads((Path(store) / f"runs/seed-{seed}/gate.json").read_text())
        manifest = json.loads((Path(store) / f"runs/seed-{seed}/manifest.json").read_text())
    return {"seed": seed, "seconds": round(seconds, 1), "gate": gate, "manifest": manifest}


def figure(name: str, value: float, unit: str, goal: str, holds: bool) -> dict[str, Any]:
    """One line of the figures."""
    return {"name": name, "value": value, "unit": unit, "goal": goal, "holds": holds}


def main() -> None:
    """Run all seeds one after the other."""
    runs = []
    for seed in SEEDS:
        runs.append(run_seed(seed))
        print(f"seed {seed}: {runs[-1]['gate']['word']} in {runs[-1]['seconds']} s", flush=True)
    promoted = sum(run["gate"]["word"] == "promote" for run in runs)
    slowest = max(run["seconds"] for run in runs)
    steps = [step for run in runs for step in run["manifest"]["steps"].values()]
    memory = max(step["peak_memory_mb"] for step in steps)
    result = {
        "hardware": {"cpus": os.cpu_count(), "processor": platform.processor()},
        "versions": {name: version(name) for name in PACKAGES},
        "seeds": list(SEEDS),
        "runs": runs,
        "figures": [
            figure("seeds that end in promote", promoted, "of 5", ">= 4", promoted >= 4),
            figure("slowest run", slowest, "s", "<= 480", slowest <= 480),
            figure("peak memory of a step", memory, "MB", "<= 4096", memory <= 4096),
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
