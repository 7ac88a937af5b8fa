"""What a pod's status says, in words: why it does not start, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goldsmith.cluster.client import Object
from goldsmith.training.failure import Failure, from_json

_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_NEVER_RAN = {"StartError", "ContainerCannotRun"}
_TAKEN_AWAY = {"Evicted", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"}


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from running; it may pass."""

    kind: Literal["image", "container", "node"]
    why: str


def trouble(pod: Object) -> Trouble | None:
    """What a pod that has not started waits for, if that needs anybody's help."""
    for status in _containers(pod):
        waiting = status.get("state", {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE:
            return Trouble(
                "image", f"image {status['image']} cannot be pulled ({reason}) {message}"
            )
        if reason in _CONTAINER:
            return Trouble("container", f"its container cannot be made ({reason}) {message}")
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Trouble("node", condition.get("message", ""))
    return None


def failure(pod: Object) -> Failure | None:
    """Why a pod ended, in its own words if it left any; None if it runs or ended well."""
    status = pod.get("status", {})
    if status.get("phase") != "Failed":
        return None
    if status.get("reason") in _TAKEN_AWAY or is_disrupted(pod):
        why = status.get("message") or status.get("reason") or "its node goes away"
        return Failure("preempted", f"the pod was taken away: {why}")
    ends = [(s, end) for s in _containers(pod) if (end := s.get("state", {}).get("terminated"))]
    for container, end in ends:
        if end["exitCode"]:
            return _ended(container, end)
    return Failure("unknown", status.get("message") or "the pod failed and says nothing")


def is_leaving(pod: Object) -> bool:
    """Whether somebody deletes the pod: an eviction, a drained node, a person."""
    return bool(pod["metadata"].get("deletionTimestamp")) or is_disrupted(pod)


def is_disrupted(pod: Object) -> bool:
    """Whether the cluster itself ends the pod, which is no fault of what it runs."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "DisruptionTarget" and c["status"] == "True" for c in conditions)


def _ended(container: Object, end: Object) -> Failure:
    """What the end of one container tells, by its own report, its reason or its exit code."""
    code, reason = end["exitCode"], end.get("reason", "")
    message = " ".join(end.get("message", "").split())
    if reason == "OOMKilled":
        return Failure("host-oom", "the pod needed more memory than it may have (OOMKilled)")
    if told := from_json(message):
        return told
    text = f"container {container['name']} ended with code {code}: {message[-500:] or reason}"
    if container.get("initial"):
        return Failure("peer", text)  # the operator's: it waits for the master
    return Failure("work" if code < 128 or reason in _NEVER_RAN else "unknown", text)


def _containers(pod: Object) -> list[Object]:
    """Statuses of all containers; those before the main one are marked."""
    status = pod.get("status", {})
    initial = [{**s, "initial": True} for s in status.get("initContainerStatuses", [])]
    return [*initial, *status.get("containerStatuses", [])]
