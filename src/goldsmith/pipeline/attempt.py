"""One attempt at a run: its folder, its child process, and the end of both.

The folder `attempts/<n>/` holds pipeline.log and progress.jsonl. On a local store it lies in the
run's own place; for S3 it is kept on this machine and uploaded at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from goldsmith.observability import lifeline, progress
from goldsmith.observability.lifeline import Lifeline
from goldsmith.pipeline.runs import Run
from goldsmith.store.layout import attempts_prefix
from goldsmith.store.object_store import ObjectStore

GRACE_S = 10.0
"""How long steps may take to end after SIGTERM."""


class Attempt:
    """A context: starts the pipeline in a process group of its own, and leaves nothing behind."""

    def __init__(self, store: ObjectStore, run: Run, *, pipeline: Path | None = None) -> None:
        self._store, self._run, self._pipeline = store, run, pipeline
        runs = state_directory(store, run.run_id) / "attempts"
        self.number = _last_number(store, run.run_id, runs) + 1
        self.directory = runs / str(self.number)
        self.log = self.directory / "pipeline.log"
        self.progress = self.directory / "progress.jsonl"
        self._read = 0

    def __enter__(self) -> Attempt:
        self.directory.mkdir(parents=True)
        _sweep(self.directory.parent)
        self._workspace = Path(tempfile.mkdtemp(prefix="goldsmith-"))
        (self.directory / "workspace.txt").write_text(str(self._workspace), encoding="utf-8")
        self._lifeline = Lifeline(self._workspace / "lifeline")
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the group: SIGTERM, `GRACE_S` seconds, then the lifeline and SIGKILL."""
        try:
            self._stop()
        finally:
            self._lifeline.cut()
            self._signal(signal.SIGKILL)
            self._process.wait()
            shutil.rmtree(self._workspace, ignore_errors=True)
            (self.directory / "workspace.txt").unlink(missing_ok=True)
        if self._store.url.startswith("s3://"):
            self._upload()

    @property
    def pid(self) -> int:
        """The runner's process id, which is its group's too."""
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """The exit status of the pipeline, or None if it goes on."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def new_lines(self) -> list[dict[str, Any]]:
        """The progress lines that were written since the last call."""
        if not self.progress.exists():
            return []
        with self.progress.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole, _, _ = data.rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines()]

    def _start(self) -> None:
        pipeline = files("goldsmith.pipeline") / "train_tier.yaml"
        with as_file(pipeline) as shipped:
            shutil.copyfile(self._pipeline or shipped, self._workspace / "pipeline.yaml")
        request = self._workspace / "request.json"
        request.write_text(json.dumps(self._request()), encoding="utf-8")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "goldsmith.pipeline.runner", str(request)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment()},
                cwd=self._workspace,
                start_new_session=True,
            )

    def _request(self) -> dict[str, Any]:
        return {
            "pipeline": str(self._workspace / "pipeline.yaml"),
            "parameters": self._run.parameters(),
            "workspace": str(self._workspace),
        }

    def _environment(self) -> Mapping[str, str]:
        return {
            progress.VARIABLE: str(self.progress),
            lifeline.VARIABLE: str(self._lifeline.path),
            "TMPDIR": str(self._workspace),  # KFP leaves a folder a step behind
            "OMP_NUM_THREADS": str(self._run.threads),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
        }

    def _stop(self) -> None:
        if self.wait(0) is None:
            self._signal(signal.SIGTERM)
            self.wait(GRACE_S)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _upload(self) -> None:
        prefix = attempts_prefix(self._run.run_id)
        for path in sorted(self.directory.iterdir()):
            self._store.upload(f"{prefix}{self.number}/{path.name}", path)


def state_directory(store: ObjectStore, run_id: str) -> Path:
    """Where this machine keeps a run's files: in a local store, its place there."""
    if store.url.startswith("s3://"):
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(home) / "goldsmith" / "runs" / run_id
    return Path(store.url) / "runs" / run_id


def _last_number(store: ObjectStore, run_id: str, directory: Path) -> int:
    """The highest attempt so far, here or in the store; 0 if there is none."""
    prefix = attempts_prefix(run_id)
    names = [key.removeprefix(prefix).partition("/")[0] for key in store.list(prefix)]
    names += [path.name for path in directory.glob("*")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def _sweep(attempts: Path) -> None:
    """Remove the workspaces that killed attempts left behind."""
    for note in attempts.glob("*/workspace.txt"):
        workspace = Path(note.read_text(encoding="utf-8"))
        if workspace.name.startswith("goldsmith-"):
            shutil.rmtree(workspace, ignore_errors=True)
        note.unlink()
