"""Pin the images by the digests that a registry has for them (`make lock-images`).

python -m images.lock --registry registry.example/team

The file it writes holds values of the chart. A registry that wants a password gets the one in
REGISTRY_AUTH, `user:password`; for ECR: AWS:$(aws ecr get-login-password).
"""

from __future__ import annotations

import argparse
import os
import re
import sys

import httpx
import yaml

from goldsmith.errors import GoldsmithError
from images.build import BASE, NAMES, ROOT, content_tag, reference

LOCK = ROOT / "images.lock.yaml"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def digest(image: str, *, auth: str = "") -> str:
    """What the registry says is the digest of `image`; GoldsmithError if it does not say."""
    path, _, tag = image.rpartition(":")
    host, _, repository = path.partition("/")
    scheme = "http" if host.split(":")[0] in ("localhost", "127.0.0.1") else "https"
    try:
        with httpx.Client(headers={"Accept": MANIFESTS}, timeout=30) as client:
            reply = _head(client, f"{scheme}://{host}/v2/{repository}/manifests/{tag}", auth)
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise GoldsmithError(f"registry {host}", why=why, fix="check REGISTRY") from None
    if reply.status_code == httpx.codes.NOT_FOUND:
        raise GoldsmithError(image, why="the registry has no such image", fix="build and push it")
    found = reply.headers.get("Docker-Content-Digest", "")
    if reply.is_error:
        why = f"the registry answers {reply.status_code} {reply.reason_phrase}"
        raise GoldsmithError(image, why=why, fix="set REGISTRY_AUTH=user:password")
    if not DIGEST.fullmatch(found):
        raise GoldsmithError(image, why=f"the registry gives no digest: {found!r}")
    return found


def _head(client: httpx.Client, url: str, auth: str) -> httpx.Response:
    """HEAD with whatever the registry wants to see first: nothing, a password or a token."""
    user = tuple(auth.split(":", 1)) if auth else None
    reply = client.head(url)
    kind, _, challenge = reply.headers.get("WWW-Authenticate", "").partition(" ")
    if reply.status_code != httpx.codes.UNAUTHORIZED:
        return reply
    if kind.lower() == "basic" and user:
        return client.head(url, auth=user)
    if kind.lower() == "bearer":
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        token = client.get(wanted.pop("realm"), params=wanted, auth=user)
        if not token.is_error:
            given = token.json()
            bearer = given.get("token") or given.get("access_token")
            return client.head(url, headers={"Authorization": f"Bearer {bearer}"})
    return reply


def lock(registry: str, tag: str, *, auth: str = "") -> str:
    """The text of the lock file: each image under the name of its value in the chart."""
    images = {}
    for name in NAMES:
        image = reference(registry, name, tag)
        images[name] = f"{image.rpartition(':')[0]}@{digest(image, auth=auth)}"
    return "# Written by `make lock-images`.\n" + yaml.safe_dump({"images": images}, width=200)


def main() -> None:
    """Write images.lock.yaml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", required=True, help="host and path that the images are under")
    parser.add_argument("--tag", default="", help="instead of the hash of what is checked out")
    parser.add_argument("--base", default=BASE)
    args = parser.parse_args()
    auth = os.environ.get("REGISTRY_AUTH", "")
    text = lock(args.registry, args.tag or content_tag(args.base), auth=auth)
    LOCK.write_text(text, encoding="utf-8")
    print(text, end="", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except GoldsmithError as error:
        sys.exit(f"lock-images: {error}")
