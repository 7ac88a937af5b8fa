"""A real S3 server (SeaweedFS) on free loopback ports, and stores on both back ends."""

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from goldsmith.store.object_store import ObjectStore, open_store

BUCKET = "goldsmith"
OWNER = {"accessKey": "owner", "secretKey": "owner-secret"}
READER = {"accessKey": "reader", "secretKey": "reader-secret"}
_IDENTITIES = {
    "identities": [
        {"name": "owner", "credentials": [OWNER], "actions": ["Admin", "Read", "Write", "List"]},
        {"name": "reader", "credentials": [READER], "actions": ["Read", "List"]},
    ]
}
_PORTS = [
    f"{part}.port{protocol}"
    for part in ("s3", "master", "volume", "filer")
    for protocol in ("", ".grpc")
]


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a SeaweedFS S3 server that holds one bucket and starts in about four seconds."""
    directory = tmp_path_factory.mktemp("seaweedfs")
    (directory / "s3.json").write_text(json.dumps(_IDENTITIES))
    ports = _free_ports(len(_PORTS))
    with (directory / "log").open("w") as log:
        server = subprocess.Popen(_command(directory, ports), stdout=log, stderr=log)
    endpoint = f"http://127.0.0.1:{ports[0]}"
    try:
        _wait_until_it_writes(endpoint, deadline=time.monotonic() + 60)
        yield endpoint
    finally:
        server.kill()  # a graceful stop takes it 25 seconds
        server.wait()


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment that a user of the S3 server has; returns the endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OWNER["accessKey"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OWNER["secretKey"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return s3_endpoint


@pytest.fixture(autouse=True)
def signing_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signing key of the test's own, made when it is first needed."""
    monkeypatch.setenv("GOLDSMITH_SIGNING_KEY", str(tmp_path / "signing.pem"))
    monkeypatch.delenv("GOLDSMITH_TRUSTED_KEY", raising=False)
    return tmp_path / "signing.pem"


@pytest.fixture(params=["directory", "s3"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once for each back end."""
    if request.param == "directory":
        return str(tmp_path / "store")
    request.getfixturevalue("s3_environment")
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def store(store_url: str) -> ObjectStore:
    """An empty store, once for each back end."""
    return open_store(store_url)


def _command(directory: Path, ports: list[int]) -> list[str]:
    return [
        str(Path(sys.executable).with_name("weed")),
        *["server", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"],
        *[f"-{name}={port}" for name, port in zip(_PORTS, ports, strict=True)],
        *[f"-s3.config={directory / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"],
        *["-master.volumeSizeLimitMB=64", "-volume.max=20", "-master.volumePreallocate=false"],
    ]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_until_it_writes(endpoint: str, *, deadline: float) -> None:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=OWNER["accessKey"],
        aws_secret_access_key=OWNER["secretKey"],
        config=Config(retries={"mode": "standard", "max_attempts": 1}),
    )
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
