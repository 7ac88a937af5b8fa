"""The router on kserve's own server (`--kserve`), in the environment that KSERVE_HOME names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.bench.processes import Program, free_ports, running
from tests.fixtures.serving import KEY, authorization, serving_values, write_values

HOME = os.environ.get("KSERVE_HOME", "")
pytestmark = pytest.mark.skipif(not HOME, reason="KSERVE_HOME is not set: make test-kserve")


@dataclass(frozen=True)
class Mounted:
    """A router on kserve's server, and the engine behind it."""

    url: str
    program: Program


@pytest.fixture(name="mounted")
def _mounted(tmp_path: Path) -> Iterator[Mounted]:
    engine, port, admin = free_ports(3)
    tiers = {"gold": [f"http://127.0.0.1:{engine}"]}
    router = {"port": port, "admin_port": admin, "drain_s": 10.0}
    file = write_values(serving_values(tiers, router=router), tmp_path / "serving.yaml")
    canned = [sys.executable, "-m", "tests.bench.canned", str(engine)]
    python = f"{HOME}/bin/python"
    command = [python, "-m", "goldsmith.serving.router", "--config", str(file), "--kserve"]
    with (
        running(canned, port=engine, folder=tmp_path),
        running(command, port=port, folder=tmp_path) as program,
    ):
        yield Mounted(f"http://127.0.0.1:{port}", program)


@pytest.fixture(name="http")
def _http(mounted: Mounted) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=mounted.url, headers=authorization(), timeout=10) as client:
        yield client


def test_an_openai_client_is_answered(mounted: Mounted) -> None:
    chat = OpenAI(base_url=f"{mounted.url}/v1", api_key=KEY).chat.completions
    messages: Any = [{"role": "user", "content": "look"}]
    whole = chat.create(model="gold", messages=messages, max_tokens=4)
    assert whole.choices[0].message.content
    chunks = list(chat.create(model="gold", messages=messages, max_tokens=4, stream=True))
    assert sum(bool(chunk.choices) for chunk in chunks) == 4


def test_v2_answers_for_the_tiers_and_for_kserves_own_model(http: httpx.Client) -> None:
    assert http.get("/v2/models/gold/ready").json() == {"name": "gold", "ready": True}
    assert http.get("/v2/health/ready").status_code == 200
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["look"]}
    reply = http.post("/v2/models/gold/infer", json={"inputs": [tensor]})
    assert reply.json()["outputs"][0]["datatype"] == "BYTES"
    assert http.get("/v2/models/goldsmith-router").json()["name"] == "goldsmith-router"
    assert http.get("/v2").json()["name"] == "kserve"


def test_its_end_leaves_nothing_open(mounted: Mounted, http: httpx.Client) -> None:
    assert http.get("/v1/models").status_code == 200
    assert mounted.program.stop() == 0
    assert "Unclosed" not in mounted.program.log.read_text()
