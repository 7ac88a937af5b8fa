"""Digests come from a registry over its HTTP API, or there is no lock file."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from goldsmith.errors import GoldsmithError
from images import lock

DIGEST = "sha256:" + "ab" * 32
PASSWORD = "Basic " + base64.b64encode(b"me:secret").decode()


class Registry(BaseHTTPRequestHandler):
    """`open` wants nothing, `basic` a password, `token` a bearer token that a password buys."""

    def do_HEAD(self) -> None:
        mode = self.path.split("/")[2]
        given = self.headers.get("Authorization")
        realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="r",scope="pull"'
        wanted = {"open": None, "basic": PASSWORD, "token": "Bearer granted"}
        if given != wanted.get(mode):
            self._answer(401, {"WWW-Authenticate": realm if mode == "token" else "Basic realm=r"})
        elif not self.path.endswith(("goldsmith-steps/manifests/1", "goldsmith-torch/manifests/1")):
            self._answer(404, {})
        else:
            assert "oci.image.index" in self.headers["Accept"]
            self._answer(200, {"Docker-Content-Digest": self.server.digest})  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        granted = self.headers.get("Authorization") == PASSWORD and query["scope"] == ["pull"]
        self._answer(200 if granted else 403, {}, b'{"token": "granted"}' if granted else b"")

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        server.digest = DIGEST  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def host(server: ThreadingHTTPServer) -> str:
    return f"127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("mode", "auth"), [("open", ""), ("basic", "me:secret"), ("token", "me:secret")]
)
def test_the_lock_file_has_what_the_registry_says(
    registry: ThreadingHTTPServer, mode: str, auth: str
) -> None:
    team = f"{host(registry)}/{mode}"
    images = yaml.safe_load(lock.lock(team, "1", auth=auth))["images"]
    assert images == {name: f"{team}/goldsmith-{name}@{DIGEST}" for name in ("steps", "torch")}


@pytest.mark.parametrize(
    ("mode", "tag", "auth", "said"),
    [
        pytest.param("open", "2", "", "no such image; build and push it", id="not there"),
        pytest.param("basic", "1", "", "401 Unauthorized; set REGISTRY_AUTH", id="no password"),
        pytest.param("basic", "1", "me:x", "401 Unauthorized; set REGISTRY_AUTH", id="wrong"),
        pytest.param("token", "1", "me:x", "401 Unauthorized; set REGISTRY_AUTH", id="no token"),
    ],
)
def test_what_the_registry_refuses_is_said(
    registry: ThreadingHTTPServer, mode: str, tag: str, auth: str, said: str
) -> None:
    with pytest.raises(GoldsmithError, match=said):
        lock.lock(f"{host(registry)}/{mode}", tag, auth=auth)


@pytest.mark.parametrize("digest", ["", "sha256:1", "latest", DIGEST + "0"])
def test_no_digest_is_made_up(registry: ThreadingHTTPServer, digest: str) -> None:
    registry.digest = digest  # type: ignore[attr-defined]
    with pytest.raises(GoldsmithError, match="gives no digest"):
        lock.lock(f"{host(registry)}/open", "1")


def test_a_registry_that_is_not_there_is_named() -> None:
    with pytest.raises(GoldsmithError, match=r"registry 127\.0\.0\.1:1: .*check REGISTRY"):
        lock.lock("127.0.0.1:1/team", "1")
