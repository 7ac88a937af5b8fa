"""The Dockerfiles: locked, pinned, not root, in layers that a change of the code leaves alone."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from components import images
from images import build

ROOT = Path(__file__).resolve().parents[2]
LINES = {name: build.dockerfile(name).read_text().splitlines() for name in build.NAMES}
MAKEFILE = (ROOT / "Makefile").read_text()

each_image = pytest.mark.parametrize("name", build.NAMES)


def instructions(name: str) -> list[str]:
    """Without comments, continued lines joined."""
    text = "\n".join(line for line in LINES[name] if not line.startswith("#"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line]


def test_there_are_two_images_and_the_steps_run_in_them() -> None:
    assert build.NAMES == ["steps", "torch"]
    assert {images.STEPS, images.TORCH} == {
        build.reference("localhost", name, "dev") for name in build.NAMES
    }


def test_torch_is_what_steps_is_and_one_more_layer() -> None:
    """So that the two share every layer but that one and the code."""
    steps, torch = instructions("steps"), instructions("torch")
    shared = steps.index("COPY --from=dependencies /opt/goldsmith /opt/goldsmith") + 1
    assert torch[:shared] == steps[:shared]
    assert torch[-3:] == steps[-3:]


@each_image
def test_the_last_layer_is_the_code_and_the_user_is_not_root(name: str) -> None:
    *_, copy, user, entrypoint = instructions(name)
    assert copy == "COPY --from=code /code /opt/goldsmith"
    assert user == "USER 1000:1000"
    assert entrypoint == 'ENTRYPOINT ["goldsmith"]'


@each_image
def test_only_the_stage_of_the_code_depends_on_the_code(name: str) -> None:
    lines = instructions(name)
    code = lines.index("FROM dependencies AS code")
    end = next(i for i, line in enumerate(lines) if i > code and line.startswith("FROM"))
    copies = [i for i, line in enumerate(lines) if line == "COPY src src"]
    assert copies and all(code < i < end for i in copies)


@each_image
def test_the_base_can_be_chosen_and_is_the_one_that_make_names(name: str) -> None:
    lines = instructions(name)
    assert lines[0] == f"ARG BASE={build.BASE}"
    assert f"BASE ?= {build.BASE}\n" in MAKEFILE
    froms = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert set(froms) == {"${BASE}", "dependencies"}


@each_image
def test_dependencies_come_from_the_lock_file_and_uv_is_that_of_make(name: str) -> None:
    text = "\n".join(instructions(name))
    (version,) = re.findall(r"UV_VERSION := (\S+)", MAKEFILE)
    assert set(re.findall(r"uv==(\S+)", text)) == {version}
    syncs = re.findall(r"uv sync [^&\n]*", text)
    assert syncs and all("--locked --no-dev --no-install-project" in sync for sync in syncs)
    assert all("UV_COMPILE_BYTECODE=1" in text for _ in syncs)


def test_only_one_image_has_the_extra_that_holds_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert any(wanted.startswith("torch==") for wanted in extras["train"])
    assert "train" not in extras["steps"][0]
    assert "--extra train" not in "\n".join(instructions("steps"))
    assert "--extra steps --extra train" in "\n".join(instructions("torch"))


def test_what_builds_the_wheel_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = project["tool"]["uv"]["build-constraint-dependencies"]
    assert {wanted.split("==")[0] for wanted in pinned} >= {"hatchling", "setuptools"}


def test_the_context_is_what_an_image_is_made_from() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in build.context()}
    assert tops == {"pyproject.toml", "uv.lock", "README.md", "LICENSE", "NOTICE", "src"}
    assert sum(path.stat().st_size for path in build.context()) < 20 * 2**20
