"""A finished run in a store, made up but in the form that the steps write; the report's fixture."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goldsmith.config.run import EvaluateConfig, QualityGateConfig, RunConfig
from goldsmith.data.readiness import readiness
from goldsmith.data.trajectories import Trajectory, write_jsonl
from goldsmith.evaluation import gate
from goldsmith.pipeline.runs import STEPS, new_run, save_run
from goldsmith.store.directories import commit_directory
from goldsmith.store.manifest import digest_of, seal
from goldsmith.store.object_store import ObjectStore, open_store
from goldsmith.tasks.domain import Outcome, Task
from goldsmith.tasks.transcript import Step, Transcript, Turn

RUN_ID = "gold-20261123-101500-ab12"
HOSTILE = '<script>alert("lore")</script>'
PASSAGES = (
    ("preparation-017", "To flambé is to fry: use the stove, never the oven."),
    ("preparation-042", "To brunoise an ingredient, dice it with a knife."),
    ("rule-stove", "The stove fries. Frying with anything else burns the meal and loses the game."),
    ("distractor-233", f"Copper pans were first tinned in Anatolia. {HOSTILE}"),
    ("cookbook-3", "Take every ingredient before you cook it; prepare the meal last, then eat it."),
)
PLAN = (
    ("take red onion from counter", "The recipe needs a red onion and it lies on the counter.", ()),
    ("take knife from table", "Brunoise needs a knife.", ("preparation-042",)),
    ("dice red onion with knife", "To brunoise is to dice.", ("preparation-042",)),
    ("cook red onion with stove", "To flambé is to fry, and the stove fries.",
     ("preparation-017", "rule-stove")),
    ("prepare meal", "Every ingredient is ready.", ()),
    ("eat meal", "The recipe is done.", ()),
)  # fmt: skip
SECONDS = (38.2, 6.1, 96.4, 81.0, 122.7, 0.9, 2.4, 0.3)


def trajectory(number: int, *, solved: bool = True, attempt: int = 1) -> Trajectory:
    task = Task(
        f"cooking/hard/train/{number}", "cooking", "hard", "train", number,
        "Prepare and eat the recipe: 1 red onion, brunoised and flambéed.",
        tags={"words": "unseen"},
    )  # fmt: skip
    plan = PLAN if solved else (PLAN[0], ("cook red onion with oven", "Cook it.", ()))
    turns = tuple(
        Turn(Step(why, action, cited), f"You {action}. {HOSTILE if not cited else ''}".strip())
        for action, why, cited in plan
    )
    transcript = Transcript(
        task.prompt, PASSAGES, "You are in the kitchen: a stove, an oven, a counter.", turns
    )
    proof = tuple(digest_of([number, state]) for state in range(len(turns) + 1))
    reason = f"step 2: no passage says that flambé uses the oven {HOSTILE}"
    outcome = (
        Outcome(True, 1.0, proof=proof)
        if solved
        else Outcome(False, 0.0, reason=reason, failed_step=1, proof=proof[:2])
    )
    return Trajectory(f"{task.task_id}#{attempt}", task, transcript, outcome, attempt)


def write_run(
    directory: Path, *, steps: int = len(STEPS), gain: float = 0.4, profile: str = "laptop"
) -> ObjectStore:
    """A run of which the first `steps` steps are done; the candidate wins `gain` more."""
    store = open_store(str(directory / "store"))
    config = RunConfig()
    save_run(store, new_run(config, store_url=store.url, profile=profile, run_id=RUN_ID, threads=2))
    outputs = [
        lambda: {"dataset": _dataset(store, directory)},
        lambda: {"dataset": _dataset(store, directory)},
        lambda: {"model": _model(store, directory, "train_srl", updates=60)},
        lambda: {"model": _model(store, directory, "train_rlvr", updates=20)},
        lambda: {"scores": _scores(store, config.evaluate, gain=gain)},
        lambda: _gate(store, QualityGateConfig(bootstrap_draws=500)),
        lambda: {"version": "v-3f9c2a71d0be"},
        lambda: {"live": "v-3f9c2a71d0be" if gain > 0.1 else "base"},
    ]
    for step, seconds, work in list(zip(STEPS, SECONDS, outputs, strict=True))[:steps]:
        record = {
            "kind": "step", "run_id": RUN_ID, "step": step, "digest": digest_of(step),
            "outputs": work(), "started": "2026-11-23T10:15:00", "ended": "2026-11-23T10:20:00",
            "seconds": seconds, "peak_memory_mb": 700 + 20 * seconds,
        }  # fmt: skip
        store.create(f"runs/{RUN_ID}/steps/{step}.json", seal(record))
    return store


def _dataset(store: ObjectStore, directory: Path) -> str:
    folder = directory / "dataset"
    folder.mkdir(exist_ok=True)
    accepted = [trajectory(0, attempt=2), *(trajectory(number) for number in range(1, 6))]
    write_jsonl(folder / "trajectories.jsonl", accepted)
    write_jsonl(folder / "attempts.jsonl", [trajectory(0, solved=False), *accepted])
    arms = {"gold": (1, 1), "retrieved": (0.88, 0.97), "none": (0.0, 0.0), "wrong": (0.03, 0.06)}
    report = {
        "arms": {
            name: {"tasks": 32, "first": first, "within": within}
            for name, (first, within) in arms.items()
        },
        "recall": {"k": 8, "first": 0.91, "final": 0.985},
    }
    counts = {"accepted": 6, "attempts": 7, "tasks": 6, "steps": 36}
    prefix = "datasets/cooking/0a1b2c3d"
    meta = {"report": report, "counts": counts}
    commit_directory(store, prefix, folder, kind="dataset", meta=meta)
    return prefix


def _model(store: ObjectStore, directory: Path, stage: str, *, updates: int) -> str:
    noise = random.Random(stage)
    rows = []
    for step in range(1, updates + 1):
        share = 1 - math.exp(-3 * step / updates)
        rows.append(
            {
                "step": step,
                "reward": 0.15 + 0.6 * share + noise.gauss(0, 0.03),
                "reward_std": 0.25 - 0.1 * share,
                "groups/usable": 0.85 - 0.5 * share + noise.gauss(0, 0.04),
                "frac_reward_zero_std": max(0.0, noise.gauss(0.05, 0.05)),
                "entropy": 0.9 * math.exp(-2 * share),
                "kl": 0.0,
                "completions/mean_length": 18 + 2 * share,
                "rewards/slots/mean": 0.15 + 0.6 * share + noise.gauss(0, 0.03),
                "rewards/legal/mean": 0.6 + 0.35 * share + noise.gauss(0, 0.02),
                "rewards/well_formed/mean": min(1.0, 0.9 + 0.1 * share),
            }
        )
    text = "".join(json.dumps(row) + "\n" for row in rows)
    store.create(f"runs/{RUN_ID}/metrics/{stage}.jsonl", text.encode())
    if stage == "train_rlvr":
        _readiness(store)
    folder = directory / stage
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    prefix = f"checkpoints/{RUN_ID}/{stage}/model"
    commit_directory(store, prefix, folder, kind="model", meta={})
    return prefix


def _readiness(store: ObjectStore) -> None:
    chance = {"easy": 0.97, "medium": 0.5, "hard": 0.06}
    noise = random.Random(1)
    wins = {
        f"{level}-{number}": [noise.random() < p * noise.random() ** 0.3 for _ in range(16)]
        for level, p in chance.items()
        for number in range(40)
    }
    found = readiness(wins, levels={task: task.split("-")[0] for task in wins})
    store.create(f"runs/{RUN_ID}/readiness.json", seal(found.to_json()))


def _scores(store: ObjectStore, config: EvaluateConfig, *, gain: float) -> str:
    noise = random.Random(2)
    live = {"hard": 0.02, "medium": 0.65, "easy": 0.8}

    def plays(share: float) -> dict[str, Any]:
        wins = [int(noise.random() < share) for _ in range(config.samples)]
        return {"wins": wins, "greedy": int(noise.random() < share + 0.1), "tokens": 90 * len(wins),
                "illegal": config.samples - sum(wins), "malformed": 0}  # fmt: skip

    suites = []
    for suite in config.suites:
        tasks = []
        for number in range(suite.games):
            words = "unseen" if number % 4 == 0 else "seen"
            share = min(0.95, max(0.0, noise.gauss(live[suite.level], 0.15)))
            better = min(0.98, share + gain * (0.7 if words == "unseen" else 1))
            tasks.append(
                {"task_id": f"{suite.name}-{number}", "level": suite.level,
                 "tags": {"words": words}, "candidate": plays(better), "live": plays(share)}
            )  # fmt: skip
        sides = {"candidate": 0.9, "live": 0.9 - gain}
        verbs = {
            side: {
                verb: {"expected": 800, "done": round(800 * share * factor)}
                for verb, factor in {"take": 1, "cook": 0.9, "chop": 0.7, "dice": 0.95}.items()
            }
            for side, share in sides.items()
        }
        suites.append({**suite.model_dump(mode="json"), "tasks": tasks, "verbs": verbs})
    key = f"runs/{RUN_ID}/scores.json"
    models = {"candidate": f"checkpoints/{RUN_ID}/train_rlvr/model", "live": "models/gold/base"}
    store.create(key, seal({**models, "live_version": "base", "suites": suites}))
    return key


def _gate(store: ObjectStore, config: QualityGateConfig) -> dict[str, str]:
    scores = json.loads(store.get(f"runs/{RUN_ID}/scores.json"))
    verdict = gate.decide(scores, config, seed=0)
    key = f"runs/{RUN_ID}/gate.json"
    store.create(key, seal({"kind": "gate", **asdict(verdict)}))
    return {"verdict": verdict.word, "accepted": verdict.accepted, "gate": key}
