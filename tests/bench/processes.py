"""Programs under measurement: started, waited for, weighed and stopped."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Program:
    """One running program."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    def cpu_s(self) -> float:
        """CPU time of all its threads and children so far, in the kernel's nanoseconds."""
        total = 0
        for pid in [self.process.pid, *_children(self.process.pid)]:
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(task.read_text().split()[0])
        return total / 1e9

    def rss_mb(self) -> float:
        """Resident memory now, of the program and its children."""
        return sum(_status_kb(pid, "VmRSS") for pid in self._pids()) / 1024

    def open_files(self) -> int:
        """File descriptors."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self._pids())

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """SIGTERM, and SIGKILL where that is not enough; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _pids(self) -> list[int]:
        return [self.process.pid, *_children(self.process.pid)]


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    folder: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> Iterator[Program]:
    """The program, once it listens on `port`; stopped at the end. Its output goes to `folder`."""
    log = folder / f"{Path(command[0]).name}-{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", **(env or {})},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    program = Program(process, log)
    try:
        wait_for_port(program, port, timeout_s)
        yield program
    finally:
        program.stop()


def wait_for_port(program: Program, port: int, timeout_s: float) -> None:
    """Until somebody listens; RuntimeError with the program's output where nobody does."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if not program.alive() or time.monotonic() > deadline:
                said = program.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"nobody listens on port {port}:\n{said}") from None
            time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def hardware() -> dict[str, Any]:
    """What it was measured on."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpus": os.cpu_count(), "processor": model, "load": os.getloadavg()[0]}


def versions(*names: str) -> dict[str, str]:
    """Of installed packages and of Python."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _children(pid: int) -> list[int]:
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in file.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0
