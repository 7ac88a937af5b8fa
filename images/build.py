"""Build the images, each tagged with a hash of what it is made from (`make images`).

python -m images.build --builder "docker build" --registry localhost
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(path.parent.name for path in ROOT.glob("images/*/Dockerfile"))
BASE = "python:3.11-slim"
VALUES = ROOT / "dist" / "images.yaml"
"""Values for the chart that name what was built; for clusters that take images without a digest."""


def dockerfile(name: str) -> Path:
    """Where an image is described."""
    return ROOT / "images" / name / "Dockerfile"


def context() -> Iterator[Path]:
    """Every file that is sent to the builder: what .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for top in (ROOT / line[1:] for line in lines if line.startswith("!")):
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)


def content_tag(base: str = BASE) -> str:
    """A tag that changes whenever an image could: hash of base, Dockerfiles and context."""
    digest = hashlib.sha256(base.encode())
    for file in (*map(dockerfile, NAMES), *context()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"\n{file.relative_to(ROOT)} {content}".encode())
    return digest.hexdigest()[:12]


def reference(registry: str, name: str, tag: str) -> str:
    """The full name of an image, `registry/goldsmith-steps:tag`."""
    return f"{registry}/goldsmith-{name}:{tag}"


def listed(image: str, listing: str) -> str:
    """The line of the builder's own list (a command) that has `image`; empty if none has.

    A builder that cannot list builds; what is there already comes from its cache.
    """
    try:
        found = subprocess.run(shlex.split(listing), capture_output=True, text=True, check=False)
    except (OSError, IndexError):  # no such program; no program
        return ""
    return next((line for line in found.stdout.splitlines() if image in line.split()), "")


def build(image: str, name: str, *, builder: str, base: str) -> float:
    """Build one image; how many seconds it took."""
    started = time.monotonic()
    options = ["-t", image, "-f", str(dockerfile(name)), "--build-arg", f"BASE={base}"]
    subprocess.run([*shlex.split(builder), str(ROOT), *options], check=True)
    return time.monotonic() - started


def main() -> None:
    """Build what is not there yet and write down what there is then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builder", required=True, help="takes CONTEXT -t TAG -f FILE --build-arg")
    parser.add_argument("--list", default="", help="prints the images that there are, one a line")
    parser.add_argument("--registry", required=True)
    parser.add_argument("--tag", default="", help="instead of the hash; then nothing is skipped")
    parser.add_argument("--base", default=BASE)
    args = parser.parse_args()
    tag = args.tag or content_tag(args.base)
    images = {name: reference(args.registry, name, tag) for name in NAMES}
    for name, image in images.items():
        if not args.tag and listed(image, args.list):
            said = "is there already"
        else:
            said = f"built in {build(image, name, builder=args.builder, base=args.base):.0f} s"
        print(f"{listed(image, args.list) or image}: {said}", file=sys.stderr)
    VALUES.parent.mkdir(exist_ok=True)
    VALUES.write_text(yaml.safe_dump({"images": {**images, "allowTags": True}}), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"images: {shlex.join(error.cmd)} failed with status {error.returncode}")
    except OSError as error:
        sys.exit(f"images: {error}; name a builder: make images IMAGE_BUILD='buildah bud'")
