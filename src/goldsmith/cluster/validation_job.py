"""Data validation of a data set that is too big for a step's pod: the same function, as a Job.

    python -m goldsmith.cluster.validation_job REQUEST        (in the Job's pod; JSON)

The pod records the step as done, as the step itself would; whoever waits reads the record.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from goldsmith.cluster.client import PATIENCE_S, Client, Object, connect
from goldsmith.cluster.environment import enter
from goldsmith.cluster.launcher import BACKOFF_S, POLL_S, SETTLE_S, workflow_owner
from goldsmith.cluster.pods import environment, labels, object_name, pod_spec, quantity
from goldsmith.cluster.pytorchjob import KEPT_S, QUEUE_LABEL
from goldsmith.cluster.supervisor import Supervisor, Work
from goldsmith.config.cluster import ClusterConfig
from goldsmith.config.run import RunContext, ValidateDataConfig
from goldsmith.data import validator
from goldsmith.errors import DataError, GoldsmithError, TrainingError
from goldsmith.store.directories import read_manifest
from goldsmith.store.manifest import digest_of
from goldsmith.store.object_store import open_store
from goldsmith.store.steps import read_step
from goldsmith.training.entry import tell
from goldsmith.training.failure import Failure, classify

log = logging.getLogger(__name__)

STEP, CONTAINER = "validate_data", "validator"
CPU, MEMORY_GIB = "1", 4.0
"""Its memory does not grow with the data."""
DEADLINE_S, PENDING_S, MAX_RESTARTS = 6 * 3600, 900, 3
_GIB = 2**30


def validate_data(run: RunContext, config: ValidateDataConfig, *, dataset: str) -> str:
    """As `data.validator.validate_data`; on a cluster, a big data set gets a Job of its own."""
    cluster = enter()
    if cluster and (size := data_bytes(run, dataset)) > cluster.big_data_bytes:
        log.info("%s has %.1f GiB: a Job of its own validates it", dataset, size / _GIB)
        client = connect(cluster.namespace, patience_s=PATIENCE_S)
        request = Request(run, config, dataset)
        run_job(request, cluster, client, size=size)
    return validator.validate_data(run, config, dataset=dataset)  # as recorded, if a Job did it


def data_bytes(run: RunContext, dataset: str) -> int:
    """The size of a data set; 0 if there is none, which the validator tells better."""
    try:
        files = read_manifest(open_store(run.store), dataset)["files"]
    except GoldsmithError:
        return 0
    return sum(entry["size"] for entry in files.values())


@dataclass(frozen=True)
class Request:
    """What the Job is asked to do."""

    run: RunContext
    config: ValidateDataConfig
    dataset: str

    def to_json(self) -> str:
        """The pod's argument."""
        values = {"run": self.run, "config": self.config}
        plain = {name: value.model_dump(mode="json") for name, value in values.items()}
        return json.dumps({**plain, "dataset": self.dataset}, sort_keys=True)

    @property
    def name(self) -> str:
        """The Job's name: the same request has the same one."""
        return object_name(self.run.run_id, STEP, digest_of(self.to_json())[:8], longest=52)


def run_job(
    request: Request,
    cluster: ClusterConfig,
    client: Client,
    *,
    size: int,
    poll_s: float = POLL_S,
    settle_s: float = SETTLE_S,
    backoff_s: float = BACKOFF_S,
) -> None:
    """Run the Job to its end, or re-attach to it; DataError with the cause if it failed."""
    run = request.run
    owner = workflow_owner(client)

    def is_done() -> bool:
        return read_step(open_store(run.store), run.run_id, STEP) is not None

    if is_done():
        return
    work = Work(
        kind="Job",
        name=request.name,
        container=CONTAINER,
        build=partial(validation_job, request, cluster, size=size, owner=owner),
        is_done=is_done,
        newest=lambda: 0,
        deadline_s=DEADLINE_S,
        pending_s=PENDING_S,
        max_restarts=MAX_RESTARTS,
        asks=f"1 pod, {CPU} cpu, {quantity(MEMORY_GIB)} memory, {quantity(_disk_gib(size))} disk",
        advice={"deadline": "lower validate_data.replay"},
    )
    try:
        Supervisor(client, work, poll_s=poll_s, settle_s=settle_s, backoff_s=backoff_s).run()
    except TrainingError as error:
        raise DataError(error.what, why=error.why, fix=error.fix) from error


def validation_job(
    request: Request,
    cluster: ClusterConfig,
    annotations: Mapping[str, str],
    *,
    size: int,
    owner: Object | None = None,
) -> Object:
    """The Job (batch/v1) that validates `size` bytes of data; a pure function."""
    marks = labels(request.run, STEP, component="processing", instance=request.name)
    wanted = {
        "cpu": CPU,
        "memory": quantity(MEMORY_GIB),
        "ephemeral-storage": quantity(_disk_gib(size)),
    }
    container = {
        "name": CONTAINER,
        "image": cluster.images.steps,
        "command": ["python3", "-m", "goldsmith.cluster.validation_job", request.to_json()],
        "env": environment(cluster, trusted_key=""),
        "resources": {
            "requests": wanted,
            "limits": {kind: many for kind, many in wanted.items() if kind != "cpu"},
        },
    }
    pod = pod_spec(cluster, container, account=cluster.service_accounts.trainer)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": request.name,
            "namespace": cluster.namespace,
            "labels": marks | ({QUEUE_LABEL: cluster.queue} if cluster.queue else {}),
            "annotations": dict(annotations),
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {
            "backoffLimit": 0,  # the supervisor starts it again
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {
                "metadata": {"labels": dict(marks)},
                "spec": {**pod, "restartPolicy": "Never"},
            },
        },
    }


def main() -> int:
    """Validate what the request names; why it failed is in the termination log."""
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stderr)
    request = json.loads(sys.argv[1])
    run = RunContext.model_validate(request["run"])
    config = ValidateDataConfig.model_validate(request["config"])
    try:
        validator.validate_data(run, config, dataset=request["dataset"])
    except GoldsmithError as error:
        failure = Failure(classify(error), str(error))
        log.error("%s", error)
        tell(failure)
        return failure.exit_code
    return 0


def _disk_gib(size: int) -> float:
    """The data set, as much again for keys and signatures, and room."""
    return 2 * size // _GIB + 2


if __name__ == "__main__":
    sys.exit(main())
