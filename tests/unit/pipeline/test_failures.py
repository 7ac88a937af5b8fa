"""Any exception is one line."""

from __future__ import annotations

import errno

import pytest

from goldsmith.errors import DataError
from goldsmith.pipeline.failures import explain

CASES = [
    pytest.param(DataError("d", why="w", fix="f"), "d: w; f", id="ours"),
    pytest.param(OSError(errno.ENOSPC, "x"), "no disk space is left", id="disk full"),
    pytest.param(OSError(errno.EROFS, "Read-only"), "can be written", id="read-only"),
    pytest.param(PermissionError(errno.EACCES, "Denied"), "can be written", id="forbidden"),
    pytest.param(MemoryError(), "no memory is left", id="memory"),
    pytest.param(ModuleNotFoundError("No module named 'kfp'"), "install the extra", id="extra"),
    pytest.param(KeyboardInterrupt(), "interrupted", id="ctrl-c"),
    pytest.param(SystemExit(143), "stopped by a signal", id="sigterm"),
    pytest.param(ValueError("a\n  b"), "ValueError: a b", id="many lines"),
    pytest.param(AssertionError(), "AssertionError", id="no words"),
]


@pytest.mark.parametrize(("error", "expected"), CASES)
def test_an_error_is_explained_on_one_line(error: BaseException, expected: str) -> None:
    assert expected in explain(error)
    assert "\n" not in explain(error)
