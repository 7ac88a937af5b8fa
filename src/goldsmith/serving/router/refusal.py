"""`Refusal`: a request that is turned down, in OpenAI's error shape."""

from __future__ import annotations

import math
from typing import Any

import orjson

from goldsmith.errors import GoldsmithError

Headers = list[tuple[bytes, bytes]]

_SOON_S = 60.0
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class Refusal(GoldsmithError):
    """Why a request is turned down; `status` is HTTP's, `param` the field at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        param: str | None = None,
        retry_after_s: float = 0.0,
        headers: Headers | None = None,
    ) -> None:
        self.status, self.code, self.param = status, code, param
        self.retry_after_s = retry_after_s
        self.more_headers = headers or []
        super().__init__(what, why=why, fix=fix)

    def document(self) -> dict[str, Any]:
        """The error as OpenAI writes it."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def body(self) -> bytes:
        """The answer's body."""
        return orjson.dumps(self.document())

    def event(self) -> bytes:
        """The last event of a stream that broke off."""
        return b"data: %b\n\n" % self.body()

    def headers(self) -> Headers:
        """The answer's headers, without type and length."""
        soon = 0 < self.retry_after_s <= _SOON_S
        headers = [(b"x-should-retry", b"true" if soon else b"false")]  # read by openai's client
        if self.retry_after_s:
            seconds = max(1, math.ceil(self.retry_after_s))
            headers.append((b"retry-after", b"%d" % seconds))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers + self.more_headers


def bad_request(
    what: str, *, param: str | None = None, fix: str = "", code: str = "invalid_value"
) -> Refusal:
    """A request that makes no sense."""
    return Refusal(400, code, what, fix=fix, param=param)
