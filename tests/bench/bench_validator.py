"""Speed and memory of the data validator on a large file: `python tests/bench/bench_validator.py`.

Writes a temporary file of trajectories of the toy domain, as long as real cooking ones (3 kB),
validates it in a fresh process and notes the peak resident memory of that process (the verifier
below it holds one domain, whatever the file's size). Options: `--gigabytes 2`, `--seed 0`. The
result is tests/bench/results/validator.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = [
    a + b + c
    for a in ("ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "zu")
    for b in ("d", "l", "m", "n", "r", "s", "t")
    for c in ("an", "el", "ik", "or", "um", "y")
]
"""For observations."""


def install_toy(folder: Path) -> None:
    """The toy domain as a plug-in in `folder`."""
    info = folder / "toy_plugin-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (folder / "toy_plugin.py").write_text((ROOT / "tests/fixtures/data/toy_domain.py").read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy_plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[goldsmith.domains]\ntoy = toy_plugin:ToyDomain\n")


def write(path: Path, size: int, seed: int) -> int:
    """Clean, different records up to `size` bytes; their number."""
    rng, count = random.Random(seed), 0
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            for _ in range(1000):
                file.write(json.dumps(record(count, rng)) + "\n")
                count += 1
    return count


def record(number: int, rng: random.Random) -> dict[str, object]:
    """One accepted trajectory of the toy domain with long observations."""
    from goldsmith.data.trajectories import Trajectory, to_json
    from goldsmith.tasks.domain import Outcome, Task
    from goldsmith.tasks.registry import find_domain
    from goldsmith.tasks.transcript import Step, Transcript

    domain = find_domain("toy")
    # the toy domain's own: its `tasks` would make all those before it, too
    task: Task = domain._task("long", "train", 3 * number + 300_000)  # type: ignore[attr-defined]
    passages = tuple((p.passage_id, p.text) for p in domain.lore())
    transcript = Transcript(task.prompt, passages, f"{task.data['start']} was said.")
    environment = domain.environment(task)
    proof = [environment.state_hash()]
    for action in domain.gold_actions(task):
        environment.step(action)
        proof.append(environment.state_hash())
        seen = f"{action} was heard by {' '.join(rng.choices(WORDS, k=20))}."
        transcript = transcript.append(Step(f"now comes {action}.", action, ("toy/rule",)), seen)
    outcome = Outcome(True, 1.0, proof=tuple(proof))
    return to_json(Trajectory(f"t{number}", task, transcript, outcome, 1))


def child(path: Path) -> None:
    """Validate; print what it took."""
    from goldsmith.data.validator import validate_file

    started, worked = time.monotonic(), time.process_time()
    report = validate_file(path)
    seconds, cpu = time.monotonic() - started, time.process_time() - worked
    status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    found = {"counts": dict(report.counts), "records": report.records, "replayed": report.replayed}
    took = {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}
    print(json.dumps({**took, "peak_mb": round(peak / 1024, 1), **found}))


def measure(gigabytes: float, seed: int) -> dict[str, object]:
    """One file, one process."""
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as name:
        folder = Path(name)
        install_toy(folder / "plugin")
        sys.path.insert(0, str(folder / "plugin"))
        path = folder / "trajectories.jsonl"
        count = write(path, int(gigabytes * 2**30), seed)
        size = path.stat().st_size
        paths = os.pathsep.join([str(folder / "plugin"), str(ROOT / "src")])
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(path)],
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
    return {"bytes": size, "written": count, **json.loads(done.stdout)}


def result(raw: dict[str, object], seed: int) -> dict[str, object]:
    """The form of all results."""
    from importlib.metadata import version

    size = float(str(raw["bytes"])) / 2**20
    speed = size / float(str(raw["seconds"]))
    per_core = size / float(str(raw["cpu_seconds"]))
    alarms = sum(raw["counts"].values())  # type: ignore[attr-defined]  # it is a dict
    figures = [
        ("file size", round(size / 1024, 3), "GiB", ">= 2", size >= 2048),
        ("peak memory", raw["peak_mb"], "MB", "<= 256", float(str(raw["peak_mb"])) <= 256),
        ("speed", round(speed, 2), "MB/s", None, True),
        ("speed per CPU second", round(per_core, 2), "MB/s", None, True),
        ("alarms on clean data", alarms, "defects", "0", alarms == 0),
    ]
    keys = ("name", "value", "unit", "goal", "holds")
    return {
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "datasketch", "pydantic")},
        },
        "seeds": [seed],
        "raw": raw,
        "figures": [dict(zip(keys, figure, strict=True)) for figure in figures],
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    found = result(measure(options.gigabytes, options.seed), options.seed)
    target = Path(__file__).parent / "results" / "validator.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found["figures"], indent=2))


if __name__ == "__main__":
    main()
