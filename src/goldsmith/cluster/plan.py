"""What a run will ask of which pool, for how long and how much, and what no pool can hold.

Memory of one accelerator, a lower bound: 16 bytes a parameter for weights, gradient and Adam's two
moments in float32 (ZeRO's mixed precision has as many, arXiv 1910.02054 section 3.1), 4 more for
the gradient buckets of DistributedDataParallel if there are several processes (PyTorch's
documentation of `gradient_as_bucket_view`), 4 more for the reference model if there is a KL. With
LoRA: 4 for the frozen weights. Activations, which gradient checkpointing keeps small, come on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from goldsmith.cluster.pytorchjob import asked
from goldsmith.config.cluster import ClusterConfig, Hardware, Pool
from goldsmith.config.run import RLVRConfig, RunConfig, SRLConfig
from goldsmith.errors import ConfigError

STAGES = ("train_srl", "train_rlvr")
STATES, BUCKETS, REFERENCE, FROZEN = 16, 4, 4, 4
"""Bytes a parameter."""
_GIB = 2**30


@dataclass(frozen=True)
class Ask:
    """What one stage asks of the cluster."""

    stage: str
    pool: str
    instance_type: str
    on_demand: int
    """Pods on on-demand nodes."""
    spot: int
    reserved: int
    """Pods on nodes of a reservation, which are priced as on demand."""
    each: dict[str, str]
    """Resources of a pod."""
    hours_at_most: float
    usd_at_most: float
    hours: float | None = None
    """As an earlier run like this one took."""
    usd: float | None = None
    model_gib: float | None = None
    """Lower bound of what a process needs of its accelerator; None if the model is not known."""
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `--json` answers."""
        return asdict(self)


def plan(
    config: RunConfig,
    cluster: ClusterConfig,
    *,
    parameters: int | None,
    seconds: Mapping[str, float],
) -> list[Ask]:
    """One Ask a training stage; `seconds`: how long steps took in an earlier run."""
    if config.tier not in cluster.hardware:
        raise ConfigError(f"the cluster has no hardware.{config.tier}", fix="add it")
    hardware = cluster.hardware[config.tier]
    sections: Mapping[str, SRLConfig | RLVRConfig] = {
        "train_srl": config.srl,
        "train_rlvr": config.rlvr,
    }
    return [
        _ask(
            stage,
            sections[stage],
            cluster,
            hardware,
            parameters=parameters,
            seconds=seconds.get(stage),
        )
        for stage in STAGES
    ]


def refuse(asks: list[Ask]) -> None:
    """ConfigError with every problem, if there is one."""
    if problems := [f"{ask.stage}: {problem}" for ask in asks for problem in ask.problems]:
        raise ConfigError("no pool can hold this run", why="; ".join(problems))


def model_bytes(parameters: int, section: SRLConfig | RLVRConfig) -> int:
    """Lower bound of a process's accelerator memory, by the formula above."""
    if section.lora_rank:
        return parameters * FROZEN
    each = STATES + (BUCKETS if section.processes > 1 else 0)
    return parameters * (each + (REFERENCE if section.kl_target else 0))


def _ask(
    stage: str,
    section: SRLConfig | RLVRConfig,
    cluster: ClusterConfig,
    hardware: Hardware,
    *,
    parameters: int | None,
    seconds: float | None,
) -> Ask:
    pool = cluster.pools[hardware.pool]
    capacities = [hardware.master_capacity, *[hardware.worker_capacity] * (hardware.nodes - 1)]
    price = sum(pool.spot_price if c == "spot" else pool.on_demand_price for c in capacities)
    hours = None if seconds is None else round(seconds / 3600, 2)
    needed = None if parameters is None else model_bytes(parameters, section) / _GIB
    return Ask(
        stage=stage,
        pool=hardware.pool,
        instance_type=pool.instance_type,
        on_demand=capacities.count("on-demand"),
        spot=capacities.count("spot"),
        reserved=capacities.count("reserved"),
        each=asked(cluster, hardware),
        hours_at_most=round(hardware.deadline_s / 3600, 2),
        usd_at_most=round(price * hardware.deadline_s / 3600, 2),
        hours=hours,
        usd=None if hours is None else round(price * hours, 2),
        model_gib=None if needed is None else round(needed, 2),
        problems=list(_problems(stage, section, hardware, pool, model_gib=needed)),
    )


def _problems(
    stage: str,
    section: SRLConfig | RLVRConfig,
    hardware: Hardware,
    pool: Pool,
    *,
    model_gib: float | None,
) -> Iterator[str]:
    """Why this cannot run."""
    name, where = stage.removeprefix("train_"), f"pool {hardware.pool}"
    ranks = hardware.nodes * hardware.processes_per_node
    if ranks != section.processes:
        yield (
            f"{name}.processes is {section.processes}, but the tier has {hardware.nodes} nodes x "
            f"{hardware.processes_per_node} processes; set {name}.processes={ranks}"
        )
    if section.prompts_per_update % section.processes:
        yield (
            f"{section.prompts_per_update} prompts an update do not divide among "
            f"{section.processes} processes; change {name}.prompts_per_update"
        )
    if hardware.nodes > pool.max_nodes:
        yield f"{hardware.nodes} nodes, and {where} has at most {pool.max_nodes}"
    if pool.accelerators and hardware.processes_per_node > pool.accelerators:
        yield f"{hardware.processes_per_node} GPUs a node, and {where} has {pool.accelerators}"
    if hardware.cpu > pool.cpu:
        yield f"{hardware.cpu:g} cores a pod, and a node of {where} has {pool.cpu:g}"
    if hardware.memory_gib > pool.memory_gib:
        yield f"{hardware.memory_gib:g} GiB a pod, and a node of {where} has {pool.memory_gib:g}"
    memory, owner = _memory(hardware, pool)
    if model_gib is not None and model_gib > memory:
        yield (
            f"the model needs at least {model_gib:.1f} GiB a process, and {owner} has "
            f"{memory:.1f}; set {name}.lora_rank, or take a smaller model"
        )


def _memory(hardware: Hardware, pool: Pool) -> tuple[float, str]:
    """GiB for one process, and whose they are."""
    if pool.accelerators:
        return pool.accelerator_memory_gib, f"an accelerator of pool {hardware.pool}"
    return hardware.memory_gib / hardware.processes_per_node, "its share of hardware.memory_gib"
