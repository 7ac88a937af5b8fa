"""The compiled pipeline that ships with the package, made ready for one cluster.

It is compiled with placeholder images. Here they become a cluster's own, in the text, so that
everything else stays as it was compiled and tested.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

import yaml

from goldsmith import __version__
from goldsmith.config.cluster import ClusterConfig, ClusterImages
from goldsmith.errors import ConfigError

NAME = "train-tier"
_OLD_SERVER_TAKES = {"nodeSelector"}
"""Kubernetes settings of a step that KFP 2.0's driver knows."""


def shipped() -> str:
    """The file as it is in the package."""
    return (files("goldsmith.pipeline") / "train_tier.yaml").read_text(encoding="utf-8")


def for_cluster(cluster: ClusterConfig, *, server: str = "") -> str:
    """The file with the cluster's images; ConfigError if its KFP cannot run it.

    `server`: the level of its KFP, if not the configured one.
    """
    text = shipped()
    check_server(text, server or cluster.kfp.server)
    return with_images(text, cluster.images)


def with_images(text: str, images: ClusterImages) -> str:
    """`text` with real images in place of the placeholders."""
    real = {"goldsmith-steps": images.steps, "goldsmith-torch": images.torch}
    for placeholder in sorted(image_names(text)):
        name = placeholder.rpartition("/")[2].partition(":")[0]
        if name not in real:
            raise ConfigError(f"{placeholder} is no placeholder of an image", fix="make render")
        text = text.replace(f"image: {placeholder}\n", f"image: {real[name]}\n")
    return text


def image_names(text: str) -> set[str]:
    """Every image of a compiled pipeline."""
    spec = next(yaml.safe_load_all(text))
    executors = spec["deploymentSpec"]["executors"].values()
    return {executor["container"]["image"] for executor in executors}


def version_name(text: str) -> str:
    """The name of a pipeline version: another content has another name."""
    return f"{__version__}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def check_server(text: str, level: str) -> None:
    """ConfigError naming what a server of this level would refuse, or silently do otherwise."""
    if level != "2.0":
        return
    spec, *platform = yaml.safe_load_all(text)
    parts = [spec["root"], *spec["components"].values()]
    tasks = [task for part in parts for task in part.get("dag", {}).get("tasks", {}).values()]
    found = {"an exit handler" for task in tasks if "strategy" in task.get("triggerPolicy", {})}
    found |= {name for document in platform for name in _settings(document)}
    if too_new := sorted(found - _OLD_SERVER_TAKES):
        raise ConfigError(
            f"KFP 2.0 cannot run this pipeline: {', '.join(too_new)}",
            fix="upgrade it to 2.18.1 or newer, and set kfp.server: 2.18",
        )


def _settings(document: dict[str, Any]) -> set[str]:
    """The Kubernetes settings that a platform document gives to steps."""
    kubernetes = document.get("platforms", {}).get("kubernetes", {})
    executors = kubernetes.get("deploymentSpec", {}).get("executors", {}).values()
    return {name for executor in executors for name in executor}
