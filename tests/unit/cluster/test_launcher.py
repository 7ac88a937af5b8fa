"""Launching on a cluster, against a served fake of its API: each state of a job, each dead end."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from goldsmith.cluster.client import connect
from goldsmith.cluster.launcher import PyTorchJobLauncher
from goldsmith.cluster.pytorchjob import job_name
from goldsmith.config.cluster import validate_cluster
from goldsmith.errors import ClusterError, TrainingError
from goldsmith.store.directories import commit_directory
from goldsmith.store.object_store import open_store
from goldsmith.training.checkpoints import Checkpoints
from goldsmith.training.failure import Failure
from goldsmith.training.job import TrainingJob, load_job
from tests.fixtures.clusters import cpu_values
from tests.fixtures.kubernetes import FakeKubernetes, Object, condition, pod_of

Incarnation = Callable[[Object], None]
"""What becomes of a job that was just created."""


def launcher(**hardware: Any) -> PyTorchJobLauncher:
    values = cpu_values()
    values["hardware"]["gold"] = values["hardware"]["gold"] | hardware
    client = connect(patience_s=5)
    return PyTorchJobLauncher(
        validate_cluster(values), client, poll_s=0.01, settle_s=0, backoff_s=0
    )


def commit_result(job: TrainingJob, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    commit_directory(open_store(job.run.store), job.output, folder, kind="model", meta={})


def commit_checkpoint(job: TrainingJob, step: int, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "state.json").write_text(str(step))
    store = open_store(job.run.store)
    Checkpoints(store, "first", "train_srl", spec_digest=job.digest).commit(step, folder)


class Operator:
    """Plays the training operator: each incarnation of a job ends as its turn says."""

    def __init__(self, kube: FakeKubernetes, job: TrainingJob, folder: Path) -> None:
        self.kube, self.job, self.folder = kube, job, folder

    def plays(self, *turns: Incarnation) -> None:
        """The last turn is played again and again."""
        rest = list(turns)

        def created(job: Object) -> None:
            (rest.pop(0) if len(rest) > 1 else rest[0])(job)

        self.kube.on_create = created

    def pods(self, job: Object, *, phase: str = "Running", **state: Any) -> list[Object]:
        """Master and worker appear."""
        made = [
            pod_of(job, role, 0, self.kube.uid(), phase=phase, **state)
            for role in ("master", "worker")
        ]
        for pod in made:
            self.kube.objects["pods", pod["metadata"]["name"]] = pod
        return made

    def succeeds(self, job: Object) -> None:
        """It runs, is looked at twice, and its result is in the store."""
        self.pods(job)

        def end() -> None:
            commit_result(self.job, self.folder)
            condition(job, "Succeeded")

        self.kube.steps.extend([lambda: None, end])

    def fails(self, failure: Failure) -> Incarnation:
        """Its worker ends with this report; the operator marks the job."""

        def turn(job: Object) -> None:
            _, worker = self.pods(job)

            def end() -> None:
                ended = {"exitCode": failure.exit_code, "message": failure.to_json()}
                worker["status"]["phase"] = "Failed"
                worker["status"]["containerStatuses"][0]["state"] = {"terminated": ended}
                condition(job, "Failed")

            self.kube.steps.append(end)

        return turn

    def never_starts(self, change: Callable[[Object], None]) -> Incarnation:
        """Its pods stay Pending with a status."""

        def turn(job: Object) -> None:
            for pod in self.pods(job, phase="Pending"):
                pod["status"]["containerStatuses"] = []
                change(pod)

        return turn


@pytest.fixture(name="operator")
def _operator(kube: FakeKubernetes, job: TrainingJob, tmp_path: Path) -> Operator:
    return Operator(kube, job, tmp_path / "result")


STORE_AWAY = Failure("store", "cannot read k in bucket b at http://s3: EndpointConnectionError")
BAD_MODEL = Failure("work", "models/gold/base is not signed by a trusted key")


def test_a_job_that_is_done_is_not_started(
    kube: FakeKubernetes, job: TrainingJob, tmp_path: Path
) -> None:
    commit_result(job, tmp_path / "result")
    assert launcher().launch(job) == job.output
    assert kube.requests == []


def test_a_job_that_is_absent_is_started_and_followed(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(operator.succeeds)
    assert launcher().launch(job) == job.output
    (applied,) = kube.applied
    command = applied["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0][
        "command"
    ]
    assert load_job(*command[-2:]) == job


def test_a_job_that_runs_is_joined_and_keeps_its_deadline(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    running = _running(kube, job)
    operator.succeeds(running)
    assert launcher().launch(job) == job.output
    assert kube.applied == []


def test_a_job_that_ended_without_a_result_is_made_again(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    condition(_running(kube, job), "Failed")
    operator.plays(operator.succeeds)
    assert launcher().launch(job) == job.output
    assert kube.deleted == [job_name(job)]
    assert len(kube.applied) == 1


def test_a_job_that_somebody_else_just_started_is_joined(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    kube.refuse["PATCH", "pytorchjobs"] = (409, "the object has been modified")
    before(kube, "PATCH", lambda: operator.succeeds(_running(kube, job)))
    assert launcher().launch(job) == job.output


def _running(kube: FakeKubernetes, job: TrainingJob, *, hours_left: float = 1) -> Object:
    """A job of an earlier launcher."""
    deadline = datetime.now(UTC) + timedelta(hours=hours_left)
    notes = {"goldsmith.dev/deadline": deadline.isoformat(), "goldsmith.dev/restarts": "0"}
    name = job_name(job)
    marks = {"app.kubernetes.io/instance": name}
    return kube.add("PyTorchJob", name, metadata={"annotations": notes, "labels": marks}, status={})


def test_a_failure_that_may_pass_restarts_all_pods_as_one(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(operator.fails(Failure("peer", "connection reset")), operator.succeeds)
    assert launcher().launch(job) == job.output
    assert kube.deleted == [job_name(job)]
    assert [a["metadata"]["annotations"]["goldsmith.dev/restarts"] for a in kube.applied] == [
        "0",
        "1",
    ]


def test_a_worker_that_is_deleted_restarts_all_pods(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    def loses_a_worker(made: Object) -> None:
        _, worker = operator.pods(made)
        name = worker["metadata"]["name"]

        def replace() -> None:  # as the operator does, before anybody looked
            kube.objects["pods", name] = pod_of(made, "worker", 0, kube.uid())

        kube.steps.extend([lambda: None, replace])

    operator.plays(loses_a_worker, operator.succeeds)
    assert launcher().launch(job) == job.output
    assert len(kube.applied) == 2


def test_a_job_that_is_deleted_comes_back(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    def vanishes(made: Object) -> None:
        kube.steps.append(lambda: kube.remove("PyTorchJob", made["metadata"]["name"]))

    operator.plays(vanishes, operator.succeeds)
    assert launcher().launch(job) == job.output


def test_a_job_that_another_launcher_started_again_is_joined_and_not_ended(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(operator.fails(Failure("peer", "connection reset")))

    def other_was_faster() -> None:
        made = kube.get("PyTorchJob", job_name(job))
        assert made
        newer = {**made, "metadata": made["metadata"] | {"uid": "newer"}, "status": {}}
        kube.objects["pytorchjobs", job_name(job)] = newer
        operator.succeeds(newer)

    before(kube, "DELETE", other_was_faster)
    assert launcher().launch(job) == job.output
    assert kube.deleted == []


def before(kube: FakeKubernetes, method: str, act: Callable[[], None]) -> None:
    """Let something happen just before the first request of a kind."""
    answer, acts = kube.answer, [act]

    def answering(wanted: str, target: str, body: Any) -> tuple[int, Any]:
        if wanted == method and acts:
            acts.pop()()
        return answer(wanted, target, body)

    kube.answer = answering  # type: ignore[method-assign]  # the wire, not ours


def test_what_cannot_be_mended_by_trying_is_not_tried_again(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(operator.fails(BAD_MODEL))
    with pytest.raises(TrainingError, match="worker-0: models/gold/base is not signed"):
        launcher().launch(job)
    assert len(kube.applied) == 1


def test_a_restart_storm_ends_with_the_cause_and_what_to_do(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(operator.fails(STORE_AWAY))
    with pytest.raises(TrainingError) as caught:
        launcher(max_restarts=3).launch(job)
    assert len(kube.applied) == 4
    assert "failed 4 times without a checkpoint newer than 0" in str(caught.value)
    assert "EndpointConnectionError; let the pods reach http://s3.example:9000" in str(caught.value)


def test_a_newer_checkpoint_allows_as_many_restarts_again(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator, tmp_path: Path
) -> None:
    broken = operator.fails(Failure("unknown", "a process ended without a word"))
    steps = iter(range(1, 4))

    def makes_progress(made: Object) -> None:
        commit_checkpoint(job, next(steps), tmp_path / "state")
        broken(made)

    operator.plays(*[makes_progress] * 3, operator.succeeds)
    assert launcher(max_restarts=1).launch(job) == job.output
    notes = kube.applied[-1]["metadata"]["annotations"]
    assert notes["goldsmith.dev/checkpoint"] == "3"


def test_the_deadline_is_kept_and_the_job_does_not_outlive_it(
    kube: FakeKubernetes, job: TrainingJob
) -> None:
    running = _running(kube, job, hours_left=-1)
    kube.objects["pods", "p"] = pod_of(running, "master", 0, kube.uid())
    with pytest.raises(
        TrainingError, match=r"not done by its deadline.*raise hardware\.gold\.deadline_s"
    ):
        launcher().launch(job)
    assert kube.get("PyTorchJob", job_name(job)) is None


def _unschedulable(pod: Object) -> None:
    pod["status"]["conditions"] = [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient memory.",
        }
    ]


def _no_image(pod: Object) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "torch:9: not found"}
    pod["status"]["containerStatuses"] = [
        {"name": "pytorch", "image": "torch:9", "state": {"waiting": waiting}}
    ]


def _no_secret(pod: Object) -> None:
    waiting = {
        "reason": "CreateContainerConfigError",
        "message": 'secret "goldsmith-store" not found',
    }
    pod["status"]["containerStatuses"] = [
        {"name": "pytorch", "image": "torch:1", "state": {"waiting": waiting}}
    ]


DEAD_ENDS = [
    pytest.param(
        _unschedulable,
        r"finds no node; it asks for pool cpu: 1 master.*memory: 0/1 nodes",
        id="no node",
    ),
    pytest.param(
        _no_image,
        r"image torch:9 cannot be pulled \(ImagePullBackOff\) torch:9: not found",
        id="no image",
    ),
    pytest.param(_no_secret, 'secret "goldsmith-store" not found', id="no secret"),
]


@pytest.mark.parametrize(("change", "expected"), DEAD_ENDS)
def test_a_dead_end_is_a_sentence_and_leaves_no_job(
    change: Callable[[Object], None],
    expected: str,
    kube: FakeKubernetes,
    job: TrainingJob,
    operator: Operator,
) -> None:
    operator.plays(operator.never_starts(change))
    with pytest.raises(TrainingError, match=expected):
        launcher(pending_s=0).launch(job)
    assert kube.get("PyTorchJob", job_name(job)) is None


def test_a_trouble_that_passes_is_no_dead_end(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    def late_node(made: Object) -> None:
        operator.never_starts(_unschedulable)(made)

        def bound() -> None:
            for (plural, _), pod in kube.objects.items():
                if plural == "pods":
                    pod["status"] = {"phase": "Running"}
            commit_result(job, operator.folder)
            condition(made, "Succeeded")

        kube.steps.extend([lambda: None, bound])

    operator.plays(late_node)
    assert launcher(pending_s=60).launch(job) == job.output


def test_pods_that_are_refused_are_told_with_the_clusters_words(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(lambda made: kube.warn(made, "FailedCreatePod", "exceeded quota: gpus"))
    with pytest.raises(
        TrainingError, match="it has no pods: FailedCreatePod: exceeded quota: gpus"
    ):
        launcher(pending_s=0).launch(job)


def test_a_job_that_waits_in_a_queue_is_no_dead_end(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    def queued(made: Object) -> None:
        condition(made, "Suspended")

        def admitted() -> None:
            made["status"]["conditions"] = []
            operator.succeeds(made)

        kube.steps.extend([lambda: None, lambda: None, admitted])

    operator.plays(queued)
    assert launcher(pending_s=0).launch(job) == job.output


def test_a_job_that_its_queue_takes_back_is_no_failure(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    def preempted(made: Object) -> None:
        pods = operator.pods(made)

        def taken_back() -> None:
            for pod in pods:
                kube.remove("Pod", pod["metadata"]["name"])

        def admitted() -> None:
            made["spec"]["runPolicy"]["suspend"] = False
            operator.succeeds(made)

        def asked_for() -> None:
            made["spec"]["runPolicy"]["suspend"] = True

        kube.steps.extend([lambda: None, asked_for, taken_back, lambda: None, admitted])

    operator.plays(preempted)
    assert launcher(pending_s=0).launch(job) == job.output
    assert len(kube.applied) == 1


def test_a_webhooks_refusal_is_told_in_its_words(kube: FakeKubernetes, job: TrainingJob) -> None:
    kube.refuse["PATCH", "pytorchjobs"] = (400, 'admission webhook "v" denied the request: name')
    with pytest.raises(
        ClusterError, match=r"refuses to apply PyTorchJob g-first.*denied the request: name"
    ):
        launcher().launch(job)


def test_out_of_memory_says_which_setting_to_raise(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    def killed(made: Object) -> None:
        condition(made, "Failed")
        operator.pods(made, phase="Failed", terminated={"exitCode": 137, "reason": "OOMKilled"})

    operator.plays(killed)
    with pytest.raises(TrainingError, match=r"OOMKilled\); raise hardware\.gold\.memory_gib"):
        launcher(max_restarts=0).launch(job)


def test_sigterm_deletes_the_job(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    def told_to_stop(made: Object) -> None:
        operator.pods(made)
        kube.steps.append(lambda: os.kill(os.getpid(), signal.SIGTERM))

    operator.plays(told_to_stop)
    previous = signal.signal(signal.SIGTERM, leave)  # as `pipeline.step` does
    try:
        with pytest.raises(SystemExit):
            launcher().launch(job)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert kube.get("PyTorchJob", job_name(job)) is None


def test_logs_and_warnings_of_pods_are_ours_each_line_once(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    at = "2026-01-01T00:00:00"

    def talks(made: Object) -> None:
        operator.succeeds(made)
        name = f"{made['metadata']['name']}-master-0"
        kube.logs[name] = [f"{at}.1Z one", f"{at}.12Z two"]
        kube.steps.appendleft(lambda: kube.logs[name].append(f"{at}.123Z three"))
        kube.warn(kube.objects["pods", name], "FailedScheduling", "no node yet")

    operator.plays(talks)
    launcher().launch(job)
    said = [r.message.partition(" | ")[2] for r in caplog.records if " | " in r.message]
    assert said == ["one", "two", "three", "FailedScheduling: no node yet"]


def test_the_job_belongs_to_the_workflow_of_this_pod(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "1"}
    kube.add("Pod", "step-pod", metadata={"ownerReferences": [{**owner, "controller": True}]})
    monkeypatch.setenv("HOSTNAME", "step-pod")
    operator.plays(operator.succeeds)
    launcher().launch(job)
    assert kube.applied[0]["metadata"]["ownerReferences"] == [owner]


def test_an_api_server_that_is_away_for_a_moment_ends_nothing(
    kube: FakeKubernetes, job: TrainingJob, operator: Operator
) -> None:
    operator.plays(operator.succeeds)
    kube.refuse["GET", "pytorchjobs"] = (503, "etcd is busy")
    answer = kube.answer

    def recovering(method: str, target: str, body: Any) -> tuple[int, Any]:
        result = answer(method, target, body)
        if result[0] == 503:
            kube.refuse.clear()
        return result

    kube.answer = recovering  # type: ignore[method-assign]  # the wire, not ours
    assert launcher().launch(job) == job.output
    assert kube.refuse == {}


def test_the_report_of_a_pod_fits_into_its_termination_log() -> None:
    assert len(json.dumps(Failure("work", "x" * 2000).to_json())) < 4096
