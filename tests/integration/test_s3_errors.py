"""What S3 says when things go wrong becomes one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from goldsmith.errors import ConflictError, NotFoundError, StoreError
from goldsmith.store import s3_store
from goldsmith.store.object_store import open_store


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        pytest.param("owner", "wrong", "check the AWS credentials", id="wrong secret"),
        pytest.param("nobody", "wrong", "check the AWS credentials", id="unknown key"),
        pytest.param("reader", "reader-secret", "may not do that", id="read only"),
    ],
)
def test_credentials_that_do_not_do_are_one_clear_line(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch, key: str, secret: str, said: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with pytest.raises(StoreError, match=said) as caught:
        open_store("s3://goldsmith/x").create("a", b"1")
    assert f"cannot write a in bucket goldsmith at {s3_environment}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert secret not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")  # SeaweedFS makes buckets for its owner
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "reader-secret")
    with pytest.raises(StoreError, match="bucket no-such-bucket") as caught:
        open_store("s3://no-such-bucket/x").get("a")
    assert not isinstance(caught.value, NotFoundError)


def test_an_endpoint_that_is_not_there_is_named(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(s3_store, "_CLIENT", s3_store.Config(retries={"max_attempts": 0}))
    with pytest.raises(StoreError, match=r"at http://127\.0\.0\.1:1: .*check AWS_ENDPOINT_URL"):
        open_store("s3://goldsmith/x").get("a")


def test_missing_credentials_are_one_clear_line(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID"):
        open_store("s3://goldsmith/x").get("a")


def test_a_large_file_goes_up_in_parts_and_only_once(
    s3_environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3_store, "PART_BYTES", 5 << 20)
    store = open_store(f"s3://goldsmith/{tmp_path.name}")
    (tmp_path / "one").write_bytes(b"1" * (11 << 20))
    (tmp_path / "two").write_bytes(b"2" * (11 << 20))
    store.upload("big", tmp_path / "one")
    store.upload("big", tmp_path / "one")
    with pytest.raises(ConflictError):
        store.upload("big", tmp_path / "two")
    store.download("big", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "one").read_bytes()


def test_a_conflict_that_s3_asks_to_repeat_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, [409, 409, 200]) as asked:
        open_store("s3://bucket/x").create("a", b"1")
    assert asked == ["PUT /bucket/x/a If-None-Match=*"] * 3


def test_a_write_whose_reply_was_lost_is_known_by_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(monkeypatch, [503, 412, (200, b"mine")]) as asked:
        open_store("s3://bucket/x").create("a", b"mine")
    assert [line.split()[0] for line in asked] == ["PUT", "PUT", "GET"]


def test_a_write_that_others_won_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        answering(monkeypatch, [412, (200, b"theirs")]),
        pytest.raises(ConflictError, match="s3://bucket/x/a exists with other content"),
    ):
        open_store("s3://bucket/x").create("a", b"mine")


def test_a_conflict_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, [409] * 4), pytest.raises(StoreError, match="cannot write a"):
        open_store("s3://bucket/x").create("a", b"1")


@contextmanager
def answering(
    monkeypatch: pytest.MonkeyPatch, replies: list[int | tuple[int, bytes]]
) -> Iterator[list[str]]:
    """An S3 endpoint that gives these replies in order; yields the requests it got."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            condition = self.headers.get("If-None-Match")
            asked.append(f"{self.command} {self.path} If-None-Match={condition}")
            answer = replies.pop(0)
            status, body = answer if isinstance(answer, tuple) else (answer, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"tag"')
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = reply

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, "test")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield asked
        server.shutdown()
        thread.join()
