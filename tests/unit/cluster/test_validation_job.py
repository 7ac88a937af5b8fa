"""A big data set is validated by a Job; a small one, and one on a laptop, in the step itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from goldsmith.cluster.client import connect
from goldsmith.cluster.validation_job import (
    Request,
    data_bytes,
    main,
    run_job,
    validate_data,
    validation_job,
)
from goldsmith.config.run import RunContext, ValidateDataConfig
from goldsmith.errors import DataError
from goldsmith.store.directories import commit_directory
from goldsmith.store.object_store import open_store
from goldsmith.store.steps import once
from tests.fixtures.clusters import cpu, cpu_values, eks
from tests.fixtures.data import clean
from tests.fixtures.data.plugin import install
from tests.fixtures.kubernetes import FakeKubernetes, Object, condition, pod_of
from tests.fixtures.schemas import mistakes, versions

DATASET = "datasets/toy/1"


@pytest.fixture(name="request_")
def _request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """Of a clean little data set of the toy domain."""
    install(tmp_path, monkeypatch)
    folder = clean.write_dataset(tmp_path / "data", clean.dump(clean.records()), accepted=12)
    (folder / "manifest.json").unlink()
    store = open_store(str(tmp_path / "store"))
    counts = {"counts": {"accepted": 12}}
    commit_directory(store, DATASET, folder, kind="dataset", meta=counts)
    run = RunContext(run_id="r", domain="toy", tier="gold", seed=0, store=store.url)
    return Request(run, ValidateDataConfig(replay=2), DATASET)


def job(request: Request, annotations: Mapping[str, str] | None = None) -> Object:
    return validation_job(request, eks(), annotations or {}, size=5 * 2**30)


@pytest.mark.parametrize("version", versions())
def test_the_api_server_would_take_it(version: str, request_: Request) -> None:
    assert mistakes(job(request_), version) == []


def test_it_asks_for_disk_and_not_for_a_gpu(request_: Request) -> None:
    (container,) = job(request_)["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["ephemeral-storage"] == "12Gi"
    assert container["image"] == eks().images.steps
    assert "nvidia.com/gpu" not in container["resources"]["limits"]


def run(request: Request) -> None:
    run_job(request, cpu(), connect(), size=1, poll_s=0.01, settle_s=0, backoff_s=0)


def test_what_the_pod_records_is_what_the_step_returns(
    kube: FakeKubernetes, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_pod(made: Object) -> None:
        (container,) = made["spec"]["template"]["spec"]["containers"]
        monkeypatch.setattr("sys.argv", container["command"][2:])
        assert main() == 0
        condition(made, "Complete")

    kube.on_create = lambda made: threading.Thread(target=run_pod, args=(made,)).start()
    as_a_step(kube, monkeypatch, big_data_bytes=1)
    assert validate_data(request_.run, request_.config, dataset=DATASET) == DATASET
    assert len(kube.applied) == 1


def as_a_step(
    kube: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, *, big_data_bytes: int
) -> None:
    """This process is a step of that cluster."""
    values = cpu_values() | {"big_data_bytes": big_data_bytes, "signing_secret": ""}
    values["store"] = {"url": "s3://goldsmith"}
    kube.add("ConfigMap", "goldsmith-cluster", data={"cluster.yaml": yaml.safe_dump(values)})
    monkeypatch.setenv("GOLDSMITH_CLUSTER", "goldsmith-cluster")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def test_a_small_data_set_is_validated_in_the_step(
    kube: FakeKubernetes, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_a_step(kube, monkeypatch, big_data_bytes=2**30)
    assert validate_data(request_.run, request_.config, dataset=DATASET) == DATASET
    assert kube.applied == []


def test_a_defect_is_the_validators_sentence_and_is_not_tried_again(
    kube: FakeKubernetes, request_: Request
) -> None:
    def pod_fails(made: Object) -> None:
        told = json.dumps(
            {"class": "work", "rank": 0, "step": 0, "message": "data set x is not fit"}
        )
        ended = {"exitCode": 1, "message": told}
        pod = pod_of(made, "validator", 0, kube.uid(), phase="Failed", terminated=ended)
        kube.objects["pods", pod["metadata"]["name"]] = pod
        condition(made, "Failed")

    kube.on_create = pod_fails
    with pytest.raises(DataError, match="data set x is not fit"):
        run(request_)
    assert len(kube.applied) == 1


def test_a_step_that_was_done_starts_no_job(kube: FakeKubernetes, request_: Request) -> None:
    once(request_.run, "validate_data", {}, lambda: {"dataset": DATASET})
    run(request_)
    assert kube.applied == []


def test_the_size_is_that_of_all_files(request_: Request, tmp_path: Path) -> None:
    files = [path for path in (tmp_path / "data").iterdir() if path.name != "manifest.json"]
    assert data_bytes(request_.run, DATASET) == sum(path.stat().st_size for path in files)
    assert data_bytes(request_.run, "datasets/toy/none") == 0
