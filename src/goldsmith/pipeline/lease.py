"""One worker a run: a lease in the store, taken and kept by compare-and-swap.

A holder that died on this machine is seen by its process id and start time, so a killed run can be
resumed at once. A holder on another machine counts as dead when its heartbeat is `EXPIRES_S` old.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

from goldsmith.errors import ConflictError, NotFoundError, RunError, StoreError
from goldsmith.store.layout import run_key
from goldsmith.store.manifest import seal, unseal
from goldsmith.store.object_store import ObjectStore

log = logging.getLogger(__name__)

BEAT_S = 10.0
EXPIRES_S = 60.0


class Lease:
    """The right to work on one run; RunError says who has it."""

    def __init__(self, store: ObjectStore, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._key = lease_key(run_id)
        self._beaten = self._tried = 0.0
        self._ours: list[bytes] = []
        """What we wrote last; of a write that failed, nobody knows whether it took place."""

    def __enter__(self) -> Lease:
        try:
            self._take()
        except ConflictError:
            raise RunError(f"run {self._run_id} was just taken by somebody else") from None
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back, unless somebody took it; a full store must not hide how the work ended."""
        try:
            self._swap({"kind": "lease"})
        except ConflictError:
            return
        except StoreError as error:  # the lease ends with this process anyway
            log.info("The lease of run %s could not be given back: %s", self._run_id, error)

    def beat(self) -> None:
        """Renew it when `BEAT_S` have passed; RunError if somebody took it over.

        A store that fails is tried again, and raises StoreError only when the lease is to expire.
        """
        now = time.monotonic()
        if now - max(self._tried, self._beaten) < BEAT_S:
            return
        self._tried = now
        try:
            self._swap(_holder())
        except ConflictError:
            raise RunError(f"run {self._run_id} was taken over by another process") from None
        except StoreError as error:
            if now - self._beaten > EXPIRES_S - BEAT_S:
                raise
            log.info("The lease of run %s could not be renewed: %s", self._run_id, error)

    def _take(self) -> None:
        try:
            data, tag = self._store.get_tagged(self._key)
        except NotFoundError:
            self._write_new()
            return
        if is_held(holder := unseal(data, key=self._key)):
            raise RunError(
                f"run {self._run_id} is running",
                why=f"process {holder['pid']} on {holder['host']} works on it",
                fix=f"wait for it, or stop it: kill {holder['pid']}",
            )
        self._write(_holder(), tag=tag)

    def _write_new(self) -> None:
        self._ours = [seal(_holder())]
        self._store.create(self._key, self._ours[-1])
        self._beaten = time.monotonic()

    def _swap(self, document: dict[str, Any]) -> None:
        """Replace our lease; ConflictError if it is not ours any more."""
        data, tag = self._store.get_tagged(self._key)
        if data not in self._ours:
            raise ConflictError(f"lease {self._key} is another's")
        self._write(document, tag=tag)

    def _write(self, document: dict[str, Any], *, tag: str) -> None:
        self._ours.append(seal(document))
        self._store.replace(self._key, self._ours[-1], tag=tag)
        self._ours = self._ours[-1:]
        self._beaten = time.monotonic()


def lease_key(run_id: str) -> str:
    """Where a run's lease is kept."""
    return run_key(run_id, "lease.json")


def read_holder(store: ObjectStore, run_id: str) -> dict[str, Any] | None:
    """Who works on a run now, or None."""
    try:
        holder = unseal(store.get(lease_key(run_id)), key=lease_key(run_id))
    except NotFoundError:
        return None
    return holder if is_held(holder) else None


def is_held(holder: dict[str, Any]) -> bool:
    """Whether the lease's holder is alive, as far as this machine can know."""
    if "pid" not in holder:
        return False
    if holder["machine"] == _machine():
        return bool(holder["started"] == start_time(holder["pid"]))
    return bool(time.time() - holder["beat"] < EXPIRES_S)


def _holder() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "kind": "lease",
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": pid,
        "started": start_time(pid),
        "beat": int(time.time()),
    }


def _machine() -> str:
    """This boot and process namespace: within it, a process id means something."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process, or None if it is not alive."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before it may hold spaces
    return None if state in "ZX" else int(fields[18])
