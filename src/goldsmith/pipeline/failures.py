"""Any exception as the one line that a user reads."""

from __future__ import annotations

import errno

from goldsmith.errors import GoldsmithError


def explain(error: BaseException) -> str:
    """What failed, why, and what to do, on one line; never a stack trace."""
    match error:
        case GoldsmithError():
            text = str(error)
        case OSError(errno=errno.ENOSPC) | OSError(errno=errno.EDQUOT):
            text = "no disk space is left; free some, or give another --store or TMPDIR"
        case OSError(errno=errno.EROFS) | PermissionError():
            text = f"{error}; give a --store and a TMPDIR that can be written"
        case MemoryError():
            text = "no memory is left; close other programs or lower the batch sizes"
        case ModuleNotFoundError():
            text = f"{error}; install the extra that has it: pip install 'goldsmith[laptop]'"
        case KeyboardInterrupt():
            text = "interrupted"
        case SystemExit():
            text = "stopped by a signal"
        case _:
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(text.split())
