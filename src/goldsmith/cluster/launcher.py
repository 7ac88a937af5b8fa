"""The `pytorchjob` back end of the launcher: a training job as a PyTorchJob on a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from goldsmith.cluster.client import PATIENCE_S, Client, Object, connect
from goldsmith.cluster.environment import enter
from goldsmith.cluster.pytorchjob import CONTAINER, asked, hardware_of, job_name, pytorch_job
from goldsmith.cluster.supervisor import Supervisor, Work
from goldsmith.config.cluster import ClusterConfig
from goldsmith.errors import ClusterError
from goldsmith.registry import signing
from goldsmith.store.object_store import open_store
from goldsmith.training.checkpoints import Checkpoints
from goldsmith.training.job import TrainingJob, is_done, save_job
from goldsmith.training.launcher import CLUSTER

log = logging.getLogger(__name__)

POLL_S = 2.0
SETTLE_S = 5.0
BACKOFF_S = 10.0


class PyTorchJobLauncher:
    """Runs training jobs on one cluster."""

    def __init__(
        self,
        cluster: ClusterConfig,
        client: Client,
        *,
        poll_s: float = POLL_S,
        settle_s: float = SETTLE_S,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self.cluster, self.client = cluster, client
        self.poll_s, self.settle_s, self.backoff_s = poll_s, settle_s, backoff_s

    def launch(self, job: TrainingJob) -> str:
        """Run the job on the cluster, or re-attach to it; its pods' logs become ours."""
        if is_done(job):
            log.info("Training job %s is done already", job.name)
            return job.output
        work = self._work(job)
        Supervisor(
            self.client,
            work,
            poll_s=self.poll_s,
            settle_s=self.settle_s,
            backoff_s=self.backoff_s,
        ).run()
        return job.output

    def _work(self, job: TrainingJob) -> Work:
        hardware, store = hardware_of(job, self.cluster), open_store(job.run.store)
        checkpoints = Checkpoints(store, job.run.run_id, job.stage, spec_digest=job.digest)
        key, owner = save_job(job), workflow_owner(self.client)
        trusted = signing.public_key().decode()

        def build(annotations: Mapping[str, str]) -> Object:
            return pytorch_job(
                job,
                self.cluster,
                key=key,
                owner=owner,
                annotations=annotations,
                trusted_key=trusted,
            )

        return Work(
            kind="PyTorchJob",
            name=job_name(job),
            container=CONTAINER,
            build=build,
            is_done=lambda: is_done(job),
            newest=checkpoints.newest,
            deadline_s=hardware.deadline_s,
            pending_s=hardware.pending_s,
            max_restarts=hardware.max_restarts,
            asks=_asks(self.cluster, job.run.tier),
            advice=_advice(job, self.cluster),
        )


def cluster_launcher() -> PyTorchJobLauncher:
    """The launcher of the cluster that this step runs in."""
    cluster = enter()
    if cluster is None:
        raise ClusterError("this process is in no cluster", fix=f"set {CLUSTER}")
    return PyTorchJobLauncher(cluster, connect(cluster.namespace, patience_s=PATIENCE_S))


def workflow_owner(client: Client) -> Object | None:
    """The ownerReference to the Argo Workflow that this pod belongs to; None outside of one."""
    pod = client.get("Pod", os.environ.get("HOSTNAME", "none")) or {"metadata": {}}
    for owner in pod["metadata"].get("ownerReferences", []):
        if owner["kind"] == "Workflow":
            return {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}
    return None


def _asks(cluster: ClusterConfig, tier: str) -> str:
    """What a job of a tier asks for, in words."""
    hardware = cluster.hardware[tier]  # type: ignore[index]  # of a Tier
    wanted = ", ".join(f"{many} {kind}" for kind, many in asked(cluster, hardware).items())
    master, worker = hardware.master_capacity, hardware.worker_capacity
    workers = f", {hardware.nodes - 1} worker ({worker})" if hardware.nodes > 1 else ""
    return f"pool {hardware.pool}: 1 master ({master}){workers}, each {wanted}"


def _advice(job: TrainingJob, cluster: ClusterConfig) -> dict[str, str]:
    """Class of a failure to what a person can do."""
    tier, stage = job.run.tier, job.stage.removeprefix("train_")
    where = cluster.store.endpoint or "Amazon S3"
    account = cluster.service_accounts.trainer
    smaller = f"lower {stage}.prompts_per_update or {stage}.group_size"
    go_on = f"its checkpoints are kept: goldsmith submit --resume {job.run.run_id}"
    return {
        "host-oom": f"raise hardware.{tier}.memory_gib, or {smaller}",
        "cuda-oom": f"{smaller}, or set {stage}.lora_rank",
        "store": f"let the pods reach {where}: NetworkPolicies, store.endpoint, DNS",
        "denied": f"give account {account} the right to {cluster.store.url}",
        "deadline": f"raise hardware.{tier}.deadline_s; {go_on}",
        "preempted": f"set hardware.{tier}.worker_capacity=on-demand; {go_on}",
        "hang": f"raise hardware.{tier}.silence_s if its updates are only slow; {go_on}",
        "peer": go_on,
        "unknown": go_on,
    }
