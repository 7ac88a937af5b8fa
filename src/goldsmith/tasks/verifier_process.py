"""The other side of `verification.py`: a process that replays answers and can do little else.

Two processes: a keeper and, below it, the worker that runs domain code. The keeper ends the worker
when its parent is gone. Where the kernel permits, the worker has a network namespace of its own
(without an interface) and is the first process of a process namespace, so that whatever it forks
dies with it; elsewhere (`isolated` is False in the greeting) the process group and the limits must
do, and a pod's NetworkPolicy keeps it off the network.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
from typing import Any, NoReturn

from goldsmith.tasks.framing import BrokenFrame, encode, read_frame, write_frame

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID = 0x10000000, 0x40000000, 0x20000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
MAX_OPEN_FILES = 256
MAX_FILE_BYTES = 64 * 2**20
MAX_PROCESSES = 512
"""The kernel counts all of a user's processes, and does not count root's."""


def main() -> NoReturn:
    """Arguments: request descriptor, verdict descriptor, megabytes of address space."""
    request_fd, verdict_fd, memory_mb = (int(text) for text in sys.argv[-3:])
    libc = ctypes.CDLL(None, use_errno=True)
    isolated = unshare(libc)
    worker = os.fork()
    if worker:
        os.close(verdict_fd)
        keep(worker, request_fd)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limit(memory_mb)
    with contextlib.suppress(BrokenFrame):
        serve(request_fd, verdict_fd, isolated=isolated)
    os._exit(0)


def unshare(libc: ctypes.CDLL) -> bool:
    """Network and process namespaces for the next fork, as any user or else as root."""
    spaces = CLONE_NEWNET | CLONE_NEWPID
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWUSER | spaces, spaces))


def keep(worker: int, request_fd: int) -> NoReturn:
    """Wait until the worker ends or nobody holds the request pipe any more; leave neither."""
    poll = select.poll()
    poll.register(os.pidfd_open(worker), select.POLLIN)
    poll.register(request_fd, 0)  # POLLHUP is always reported
    poll.poll()
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    os._exit(0)


def limit(memory_mb: int) -> None:
    """No core files, bounded memory, files and processes."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: memory_mb * 2**20,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_NPROC: MAX_PROCESSES,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def limit_cpu(seconds: float) -> None:
    """The kernel ends this process after `seconds` more of CPU, even inside C code."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 2, resource.RLIM_INFINITY))


def serve(request_fd: int, verdict_fd: int, *, isolated: bool) -> None:
    """Greet, then answer one request after the other until the pipe closes."""
    sys.path[:] = read_frame(request_fd)["path"]
    write_frame(verdict_fd, encode({"isolated": isolated}))
    while True:
        request = read_frame(request_fd)
        limit_cpu(request["timeout_s"])
        try:
            answer = handle(request)
        except BaseException as error:  # SystemExit too: whatever it is, it is not a pass
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        write_frame(verdict_fd, encode({"nonce": request["nonce"], **answer}))


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """One answer; domain code runs only below here."""
    from goldsmith.tasks.registry import find_domain

    domain = find_domain(request["domain"])
    match request["kind"]:
        case "load":
            return {"ok": load(domain)}
        case "check":
            return {"ok": check(domain)}
        case "prepare":
            domain.tasks(request["level"], "train", request["count"], seed=request["seed"])
            return {"ok": True}
        case "verify":
            return {"verdict": verdict(domain, request)}
    raise BrokenFrame(request["kind"])


def verdict(domain: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The domain's outcome as JSON values."""
    from goldsmith.tasks.domain import Passage, Task
    from goldsmith.tasks.transcript import Step

    passages = [Passage(name, title="", text=text) for name, text in request["passages"]]
    steps = [Step(reasoning, action, tuple(cited)) for reasoning, action, cited in request["steps"]]
    task = Task(**request["task"])
    if request["student"]:
        outcome = domain.outcome(task, [step.action for step in steps])
    else:
        outcome = domain.verify(task, steps, passages)
    return {
        "solved": outcome.solved,
        "score": outcome.score,
        "reason": outcome.reason[:500],
        "failed_step": outcome.failed_step,
        "proof": list(outcome.proof),
    }


def load(domain: Any) -> bool:
    """Make one game, so that libraries that a domain imports late are not in a verdict's time."""
    for task in domain.tasks(domain.levels[0], "train", 1):
        domain.environment(task).reset()
    return True


def check(domain: Any) -> bool:
    """Play each level's reference solution once; RuntimeError if one does not win."""
    for level in domain.levels:
        for task in domain.tasks(level, "train", 1):
            environment = domain.environment(task)
            seen = environment.reset()
            for action in domain.gold_actions(task):
                seen = environment.step(action)
            if not seen.solved:
                raise RuntimeError(f"the reference solution of {task.task_id} does not solve it")
    return True
