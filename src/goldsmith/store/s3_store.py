"""The store on S3 or anything that speaks it (endpoint from AWS_ENDPOINT_URL).

`create` is a PUT with `If-None-Match: *`, `replace` one with `If-Match`. The loser gets 412, a race
may also give 409, which is tried again. A reply can be lost after the write took place, so a loser
reads the object back: identical bytes mean that the winner was us.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader

from goldsmith.errors import ConflictError, NotFoundError, StoreError
from goldsmith.store.manifest import file_sha256
from goldsmith.store.object_store import check_key, check_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 256 << 20
"""A larger file is uploaded in parts of this size (S3 takes 10,000 of them)."""

_CLIENT = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "max_attempts": 4},
    s3={"addressing_style": "path"},
)
_LOADER = create_loader()
_FIXES = {
    "InvalidAccessKeyId": "check the AWS credentials",
    "SignatureDoesNotMatch": "check the AWS credentials",
    "ExpiredToken": "renew the AWS credentials",
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "these credentials may not do that; ask for the right to",
    "403": "check the AWS credentials and their rights",
    "NoSuchBucket": "create the bucket or give another --store",
    "EndpointConnectionError": "check AWS_ENDPOINT_URL and the network",
    "ConnectTimeoutError": "check AWS_ENDPOINT_URL and the network",
}


class S3Store:
    """An `ObjectStore` below `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._bucket = parts.netloc
        prefix = check_prefix(parts.path.strip("/"))
        if not self._bucket:
            raise StoreError(f"store {url!r} has no bucket", fix="give s3://bucket/prefix")
        self._prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{self._bucket}/{prefix}".rstrip("/")
        with self._boundary("open", ""):
            self._client = _session().client("s3", config=_CLIENT)
        self._endpoint = self._client.meta.endpoint_url

    def get(self, key: str) -> bytes:
        """The bytes of `key`; NotFoundError if there are none."""
        return self.get_tagged(key)[0]

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The bytes of `key` and its ETag."""
        with self._boundary("read", key):
            reply = self._client.get_object(**self._at(key))
            return reply["Body"].read(), reply["ETag"]

    def create(self, key: str, data: bytes) -> None:
        """Write a new object; ConflictError if it exists with other bytes."""

        def put() -> None:
            self._client.put_object(**self._at(key), Body=data, IfNoneMatch="*")

        if not self._won(key, put) and self.get(key) != data:
            raise ConflictError(f"{self.url}/{key} exists with other content")

    def replace(self, key: str, data: bytes, *, tag: str) -> None:
        """Swap the object if it is still the tagged one; ConflictError if that is lost."""

        def put() -> None:
            self._client.put_object(**self._at(key), Body=data, IfMatch=tag)

        try:
            if not self._won(key, put) and self.get(key) != data:
                raise ConflictError(f"{self.url}/{key} was changed meanwhile")
        except NotFoundError:
            raise ConflictError(f"{self.url}/{key} was deleted meanwhile") from None

    def list(self, prefix: str) -> Iterator[str]:
        """Every key that starts with `prefix`, sorted."""
        start = self._prefix + check_prefix(prefix)
        with self._boundary("list", prefix):
            pages = self._client.get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=start)
            keys = [entry["Key"] for page in found for entry in page.get("Contents", [])]
        yield from sorted(key.removeprefix(self._prefix) for key in keys)

    def exists(self, key: str) -> bool:
        """Whether `key` has an object."""
        try:
            with self._boundary("read", key):
                self._client.head_object(**self._at(key))
        except NotFoundError:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove `key`; a key that is not there is no error."""
        with self._boundary("delete", key):
            self._client.delete_object(**self._at(key))

    def upload(self, key: str, path: Path) -> None:
        """`create` from a file, without holding it in memory."""
        put = self._put_parts if path.stat().st_size > PART_BYTES else self._put_file
        if not self._won(key, lambda: put(key, path)) and self._sha256(key) != file_sha256(path):
            raise ConflictError(f"{self.url}/{key} exists with other content")

    def download(self, key: str, path: Path) -> None:
        """Write the object to a file, which appears whole or not at all."""
        with self._boundary("read", key):
            self._client.download_file(self._bucket, self._at(key)["Key"], str(path))

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _won(self, key: str, put: Callable[[], None]) -> bool:
        """Do a conditional write; False if its condition failed (412), 409 is tried again."""
        for wait_s in (0.05, 0.2, 0.8, None):
            with self._boundary("write", key):
                try:
                    put()
                    return True
                except ClientError as error:
                    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                    if status == 412:
                        return False
                    if status != 409 or wait_s is None:
                        raise
            time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as file:
            self._client.put_object(**self._at(key), Body=file, IfNoneMatch="*")

    def _put_parts(self, key: str, path: Path) -> None:
        """One conditional multipart upload; the condition is checked when it completes."""
        at = self._at(key)
        parts: list[CompletedPartTypeDef] = []
        upload = self._client.create_multipart_upload(**at)["UploadId"]
        try:
            with path.open("rb") as file:
                for number in itertools.count(1):
                    if not (data := file.read(PART_BYTES)):
                        break
                    tag = self._client.upload_part(
                        **at, UploadId=upload, PartNumber=number, Body=data
                    )["ETag"]
                    parts.append({"ETag": tag, "PartNumber": number})
            self._client.complete_multipart_upload(
                **at, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except BaseException:
            self._client.abort_multipart_upload(**at, UploadId=upload)
            raise

    def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with self._boundary("read", key):
            for piece in self._client.get_object(**self._at(key))["Body"].iter_chunks(1 << 20):
                digest.update(piece)
        return digest.hexdigest()

    @contextmanager
    def _boundary(self, verb: str, key: str) -> Iterator[None]:
        """Turn boto's errors into StoreErrors that name bucket, endpoint and object."""
        try:
            yield
        except ClientError as error:
            code, why = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            if code in ("NoSuchKey", "404"):
                raise NotFoundError(f"no {key} in {self.url}") from error
            raise self._error(verb, key, code, why) from error
        except BotoCoreError as error:
            raise self._error(verb, key, type(error).__name__, str(error)) from error

    def _error(self, verb: str, key: str, code: str, why: str) -> StoreError:
        endpoint = getattr(self, "_endpoint", "AWS")
        return StoreError(
            f"cannot {verb} {key or 'keys'} in bucket {self._bucket} at {endpoint}",
            why=f"{code} ({why.rstrip('.')})",
            fix=_FIXES.get(code, ""),
        )


def _session() -> boto3.session.Session:
    """A session with the credentials of now; the description of S3 is read once (0.2 s)."""
    inner = botocore.session.get_session()
    inner.register_component("data_loader", _LOADER)
    return boto3.session.Session(botocore_session=inner)
