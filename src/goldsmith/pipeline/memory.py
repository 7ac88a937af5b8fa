"""Peak memory of a tree of processes, from /proc: shared pages are counted once (PSS)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path


def tree_memory_mb(root: int) -> float:
    """Megabytes that process `root` and its descendants hold now."""
    return sum(_memory_kb(pid) for pid in [root, *descendants(root)]) / 1024


def descendants(root: int) -> list[int]:
    """Ids of all processes below `root`."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        if parent := _parent(path):
            children[parent].append(int(path.parent.name))
    found, waiting = [], [root]
    while waiting:
        below = children[waiting.pop()]
        found += below
        waiting += below
    return found


def _parent(path: Path) -> int:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0  # it ended meanwhile
    return int(text.rpartition(")")[2].split()[1])


def _memory_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
