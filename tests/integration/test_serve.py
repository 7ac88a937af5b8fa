"""`goldsmith serve` as a person uses it: one command, then a plain OpenAI client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from goldsmith.serving.local.stack import free_ports

PROMPT = "make the meal.\nrecipe: carrot.\nsteps: ombrate the carrot. prepare and eat the meal."
READY_S = 60.0


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """The running program, by what it says when it is ready."""
    command = [sys.executable, "-m", "goldsmith.cli", "serve", "--json", *options]
    command += ["--store", str(folder / "store"), "--state", str(folder / "state")]
    command += ["--port", str(free_ports(1)[0])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield {"process": process, **ready(process)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            return dict(json.loads(text))
    raise AssertionError(f"goldsmith serve ended with {process.wait()}: {text}")


@pytest.fixture(name="served", scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("serve")
    with serving(folder, "traces.seal_s=1", "--tiers", "gold,silver") as facts:
        yield {"state": folder / "state", **facts}


def client(served: dict[str, Any]) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served['url']}/v1", api_key="none", max_retries=0)


def test_an_openai_client_chats_with_the_tier_it_names(served: dict[str, Any]) -> None:
    with client(served) as api:
        reply = api.chat.completions.with_raw_response.create(
            model="gold", messages=[{"role": "user", "content": PROMPT}], max_tokens=24
        )
    assert reply.headers["x-route-tier"] == "gold"
    assert reply.headers["x-route-version"] == "base"
    assert "<think>" in str(reply.parse().choices[0].message.content)


def test_auto_streams_from_the_tier_that_the_router_picks(served: dict[str, Any]) -> None:
    with client(served) as api:
        stream = api.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": PROMPT}],
            max_tokens=24,
            stream=True,
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len(pieces) > 3 and "<think>" in "".join(pieces)


def test_every_tier_is_listed(served: dict[str, Any]) -> None:
    with client(served) as api:
        names = {model.id for model in api.models.list()}
    assert {"auto", "gold", "silver"} <= names


def test_a_tier_that_is_not_served_is_an_error_that_says_so(served: dict[str, Any]) -> None:
    with client(served) as api, pytest.raises(openai.APIStatusError, match="bronze"):
        api.chat.completions.create(model="bronze", messages=[{"role": "user", "content": "x"}])


def test_answered_requests_become_traces(served: dict[str, Any]) -> None:
    def kept() -> int:
        command = [sys.executable, "-m", "goldsmith.cli", "traces", "tail", "--json"]
        command += ["--store", str(served["state"].parent / "store")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return len(json.loads(done.stdout))

    deadline = time.monotonic() + 30
    while kept() < 2 and time.monotonic() < deadline:
        time.sleep(0.5)  # another process writes them: there is nothing to wait on but its files
    assert kept() >= 2


def test_ending_it_leaves_no_process_behind(tmp_path: Path) -> None:
    with serving(tmp_path, "--tiers", "gold") as facts:
        process: subprocess.Popen[str] = facts["process"]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        deadline = time.monotonic() + 10
        while left(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.1)  # the kernel ends them: there is nothing to wait on but their absence
        assert left(tmp_path) == []


def left(folder: Path) -> list[str]:
    """Command lines of processes that still name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found
