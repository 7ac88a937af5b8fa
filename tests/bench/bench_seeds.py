"""Five laptop seeds in full: time, memory, verdict. `make seeds`; results/seeds.json.

Each run has a store of its own, so that every candidate is judged against the shipped base. Seeds
that are named are measured again, and the others kept: `bench_seeds.py 2 3`.
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


def known() -> dict[int, dict[str, Any]]:
    """The runs that were measured before, by seed."""
    if not RESULTS.exists():
        return {}
    return {run["seed"]: run for run in json.loads(RESULTS.read_text())["runs"]}


def main() -> None:
    """Run the seeds one after the other; each is written down when it is done."""
    named = [int(seed) for seed in sys.argv[1:]]
    runs = known() if named else {}
    for seed in named or SEEDS:
        runs[seed] = run_seed(seed)
        print(f"seed {seed}: {runs[seed]['gate']['word']} in {runs[seed]['seconds']} s", flush=True)
        write([runs[seed] for seed in sorted(runs)])


def write(runs: list[dict[str, Any]]) -> None:
    """The result file."""
    promoted = sum(run["gate"]["word"] == "promote" for run in runs)
    slowest = max(run["seconds"] for run in runs)
    steps = [step for run in runs for step in run["manifest"]["steps"].values()]
    memory = max(step["peak_memory_mb"] for step in steps)
    result = {
        "hardware": {"cpus": os.cpu_count(), "processor": platform.processor()},
        "versions": {name: version(name) for name in PACKAGES},
        "seeds": [run["seed"] for run in runs],
        "runs": runs,
        "figures": [
            figure("seeds that end in promote", promoted, f"of {len(runs)}", ">= 4", promoted >= 4),
            figure("slowest run", slowest, "s", "<= 480", slowest <= 480),
            figure("peak memory of a step", memory, "MB", "<= 4096", memory <= 4096),
        ],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
