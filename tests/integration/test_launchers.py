"""What every launcher promises, on both back ends; pods are processes of this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goldsmith.cluster.client import connect
from goldsmith.cluster.launcher import PyTorchJobLauncher
from goldsmith.collaboration.orchestrator import collaborate
from goldsmith.config.cluster import validate_cluster
from goldsmith.config.run import CollaborateConfig, LevelMix, RunContext, SRLConfig
from goldsmith.errors import TrainingError
from goldsmith.registry.bases import SHIPPED
from goldsmith.store.directories import commit_directory, read_manifest
from goldsmith.store.layout import metrics_key
from goldsmith.store.object_store import open_store
from goldsmith.training.failure import PREEMPTED_CODE
from goldsmith.training.job import TrainingJob
from goldsmith.training.launcher import Launcher, LocalLauncher
from tests.fixtures.clusters import cpu_values
from tests.fixtures.kubelet import Kubelet
from tests.fixtures.kubernetes import FakeKubernetes, kube_fixture  # noqa: F401  # a fixture

BASE = str(SHIPPED / "gold")
CONFIG = SRLConfig(
    updates=3,
    group_size=4,
    prompts_per_update=4,
    refill_rounds=0,
    processes=2,
    save_every=1,
)
EASY = CollaborateConfig(tasks=(LevelMix(level="easy", count=4),), lore_arms=False)


@pytest.fixture(name="dataset", scope="module")
def _dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds a little data set, and its name in `name`."""
    root = tmp_path_factory.mktemp("collaborated")
    run = RunContext(run_id="r", domain="cooking", tier="gold", seed=3, store=str(root / "store"))
    (root / "name").write_text(collaborate(run, EASY))
    return root


@pytest.fixture(name="kubelet")
def _kubelet(kube: FakeKubernetes, tmp_path: Path) -> Iterator[Kubelet]:
    kubelet = Kubelet(kube, tmp_path)
    yield kubelet
    kubelet.close()


@pytest.fixture(params=["local", "pytorchjob"])
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """Each back end."""
    if request.param == "local":
        return LocalLauncher()
    request.getfixturevalue("kubelet")
    return on_cluster()


def on_cluster() -> PyTorchJobLauncher:
    """Jobs of two pods with one process each."""
    return PyTorchJobLauncher(
        validate_cluster(cpu_values()), connect(), poll_s=0.1, settle_s=4, backoff_s=0
    )


@pytest.fixture(name="make_job")
def _make_job(dataset: Path, tmp_path: Path) -> Callable[..., TrainingJob]:
    """A small job in a store of its own."""

    def make(name: str = "store", *, model: str = BASE) -> TrainingJob:
        shutil.copytree(dataset / "store", tmp_path / name)
        store = str(tmp_path / name)
        return TrainingJob(
            run=RunContext(run_id="r", domain="cooking", tier="gold", seed=3, store=store),
            stage="train_srl",
            config=CONFIG.model_dump(mode="json"),
            dataset=(dataset / "name").read_text(),
            model=model,
        )

    return make


def result(job: TrainingJob) -> str:
    """The digest of every file of the trained model."""
    digest: str = read_manifest(open_store(job.run.store), job.output)["digest"]
    return digest


def test_a_job_whose_result_is_there_is_not_started(
    launcher: Launcher, make_job: Callable[..., TrainingJob]
) -> None:
    job = make_job(model="/no/such/folder")
    commit_directory(open_store(job.run.store), job.output, Path(BASE), kind="model", meta={})
    assert launcher.launch(job) == job.output


def test_a_job_that_fails_tells_the_workers_own_cause(
    launcher: Launcher, make_job: Callable[..., TrainingJob]
) -> None:
    with pytest.raises(
        TrainingError, match=r"model /no/such/folder is not a folder; give a folder"
    ):
        launcher.launch(make_job(model="/no/such/folder"))


def test_both_back_ends_give_the_same_bits_though_a_worker_was_lost(
    make_job: Callable[..., TrainingJob], kube: FakeKubernetes, kubelet: Kubelet
) -> None:
    here, there = make_job("here"), make_job("there")
    LocalLauncher().launch(here)
    store = open_store(there.run.store)

    def lose_a_worker() -> None:
        if list(store.list("checkpoints/r/train_srl/manifest/")):
            kubelet.delete_pod(next(name for name in kubelet.processes if "-worker-" in name))
        else:
            kube.steps.append(lose_a_worker)

    kube.steps.append(lose_a_worker)
    on_cluster().launch(there)
    assert len(kube.applied) == 2
    assert PREEMPTED_CODE in kubelet.codes
    assert result(there) == result(here)
    assert learnt(here)


def test_processes_share_the_prompts_of_an_update(make_job: Callable[..., TrainingJob]) -> None:
    job = make_job()
    LocalLauncher().launch(job)
    lines = open_store(job.run.store).get(metrics_key("r", "train_srl")).splitlines()
    assert [json.loads(line)["groups/rolled"] for line in lines] == [2.0, 2.0, 2.0]  # 4 of 2 ranks


def learnt(job: TrainingJob) -> bool:
    """Whether there was a gradient at all: without one, any two jobs give the same bits."""
    store, key = open_store(job.run.store), metrics_key("r", "train_srl")
    return any(json.loads(line)["grad_norm"] > 0 for line in store.get(key).splitlines())
