"""`Refusal` is the answer to a request that is not served, in OpenAI's error shape."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An HTTP status and the reason, in words that say what would be right."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}
