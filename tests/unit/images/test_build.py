"""Images are built with whatever builder there is, and only when they would be other ones."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from images import build

FAKE = """
import pathlib, sys
seen = pathlib.Path({seen!r})
if sys.argv[1] == "list":
    print(seen.read_text() if seen.exists() else "", end="")
else:
    seen.open("a").write(sys.argv[sys.argv.index("-t") + 1] + " 1GB\\n")
    pathlib.Path({calls!r}).open("a").write(" ".join(sys.argv[2:]) + "\\n")
"""


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments that name a builder which only takes notes, in `calls` beside it."""
    program = tmp_path / "builder.py"
    seen, calls = str(tmp_path / "seen"), str(tmp_path / "calls")
    program.write_text(FAKE.format(seen=seen, calls=calls))
    monkeypatch.setattr(build, "VALUES", tmp_path / "dist" / "images.yaml")
    run = shlex.join([sys.executable, str(program)])
    return ["build", "--builder", f"{run} build", "--list", f"{run} list", "--registry", "r.io/me"]


def calls(path: Path) -> list[str]:
    file = path / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_each_image_is_built_from_the_repository_with_its_own_dockerfile(
    builder: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [*builder, "--base", "python:3.11-slim@sha256:1"])
    build.main()
    tag = build.content_tag("python:3.11-slim@sha256:1")
    base = "--build-arg BASE=python:3.11-slim@sha256:1"
    assert calls(tmp_path) == [
        f"{build.ROOT} -t r.io/me/goldsmith-{name}:{tag} -f {build.dockerfile(name)} {base}"
        for name in ("steps", "torch")
    ]
    values = yaml.safe_load((tmp_path / "dist" / "images.yaml").read_text())
    steps, torch = (f"r.io/me/goldsmith-{name}:{tag}" for name in ("steps", "torch"))
    assert values == {"images": {"steps": steps, "torch": torch, "allowTags": True}}


def test_what_is_there_already_is_not_built_again(
    builder: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", builder)
    build.main()
    build.main()
    assert len(calls(tmp_path)) == 2
    assert f"{build.content_tag()} 1GB: is there already" in capsys.readouterr().err


def test_a_tag_of_the_users_says_nothing_of_the_content_so_it_is_built(
    builder: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [*builder, "--tag", "dev"])
    build.main()
    build.main()
    assert len(calls(tmp_path)) == 4


def test_the_tag_depends_on_every_file_of_the_context_and_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, text in {
        ".dockerignore": "*\n!uv.lock\n!src\n",
        "uv.lock": "1",
        "src/a.py": "1",
        "docs/a.md": "1",
        "src/__pycache__/a.pyc": "1",
        **{f"images/{name}/Dockerfile": "1" for name in build.NAMES},
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(build, "ROOT", tmp_path)

    def changes(path: str) -> bool:
        before = build.content_tag()
        (tmp_path / path).write_text(f"{path} is another one")
        return build.content_tag() != before

    assert build.content_tag("a") != build.content_tag("b")
    assert changes("uv.lock") and changes("src/a.py") and changes("images/torch/Dockerfile")
    (tmp_path / "src/b.py").write_text("")
    assert changes("src/b.py")
    assert not changes("docs/a.md") and not changes("src/__pycache__/a.pyc")


@pytest.mark.parametrize("listing", ["no-such-program ls", "false", ""])
def test_a_builder_that_cannot_list_has_nothing(listing: str) -> None:
    assert build.listed("r.io/me/goldsmith-steps:1", listing) == ""


def test_a_builder_that_fails_is_named() -> None:
    command = [sys.executable, "-m", "images.build", "--builder", "false", "--registry", "r.io"]
    done = subprocess.run(command, cwd=build.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("images: false ") and "failed with status 1" in done.stderr
