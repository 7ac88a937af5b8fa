"""docs/deployment.md says of each command what runs it, or how a user proves it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from goldsmith.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```\n\n(.*?)$", PAGE, re.M | re.S)


@pytest.mark.parametrize(("block", "below"), BLOCKS, ids=lambda text: text.split("\n")[0][:40])
def test_each_block_is_tested_or_says_how_to_prove_it(block: str, below: str) -> None:
    assert re.match(r"Tested: `tests/|Not here \([^)]+\): `", below), below


def test_the_tests_it_names_are_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", PAGE))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_verbs_it_names_are_there() -> None:
    verbs = {verb for block, _ in BLOCKS for verb in re.findall(r"^goldsmith (\w+)", block, re.M)}
    assert {"preflight", "plan", "submit", "status", "pipeline"} <= verbs
    assert verbs <= set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_targets_of_make_it_names_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^make ([\w-]+)", PAGE, re.M))
    assert targets == {"images", "lock-images"}
    assert all(f"\n{target}:" in makefile for target in targets)
