"""Jobs in the store: one router runs each, none is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from goldsmith.errors import NotFoundError
from goldsmith.serving.router import job_store
from goldsmith.serving.router.job_store import Job, JobStore
from goldsmith.store.object_store import open_store

JOB = Job(id="", tenant="team-a", path="/v1/completions", body={"model": "auto", "prompt": "x"})


def stores(folder: Path) -> tuple[JobStore, JobStore]:
    return JobStore(open_store(str(folder)), "one"), JobStore(open_store(str(folder)), "two")


def test_a_job_is_claimed_once(tmp_path: Path) -> None:
    one, two = stores(tmp_path)
    job = one.create(JOB)
    assert one.claim(job.id) is not None
    assert two.claim(job.id) is None


def test_a_dead_router_s_job_goes_to_another_one(tmp_path: Path, monkeypatch: object) -> None:
    one, two = stores(tmp_path)
    job = one.create(JOB)
    one.claim(job.id)
    with pytest.MonkeyPatch.context() as patch:
        late = job.created_at + 2 * job_store.LEASE_S
        patch.setattr("time.time", lambda: late)
        claimed = two.claim(job.id)
    assert claimed is not None
    assert claimed.attempts == 2
    assert not one.renew(job.id)
    assert one.finish(job.id, "succeeded", result={}) is None


def test_what_is_given_back_is_free_at_once(tmp_path: Path) -> None:
    one, two = stores(tmp_path)
    job = one.create(JOB)
    one.claim(job.id)
    one.give_back(job.id)
    claimed = two.claim(job.id)
    assert claimed is not None
    assert claimed.attempts == 1


def test_a_finished_job_keeps_its_result_and_is_open_no_more(tmp_path: Path) -> None:
    one, two = stores(tmp_path)
    job = one.create(JOB)
    assert one.open_ids() == [job.id]
    one.claim(job.id)
    one.finish(job.id, "succeeded", result={"choices": []})
    found, _ = two.read(job.id)
    assert (found.status, found.result) == ("succeeded", {"choices": []})
    assert two.open_ids() == []
    assert two.claim(job.id) is None


def test_a_cancelled_job_cannot_succeed(tmp_path: Path) -> None:
    one, two = stores(tmp_path)
    job = one.create(JOB)
    one.claim(job.id)
    two.cancel(job.id)
    assert not one.renew(job.id)
    assert one.finish(job.id, "succeeded", result={}) is None
    assert one.read(job.id)[0].status == "cancelled"


def test_a_record_without_a_marker_or_a_marker_without_a_record_does_no_harm(
    tmp_path: Path,
) -> None:
    one, _ = stores(tmp_path)
    open_store(str(tmp_path)).create("jobs/open/job-" + "0" * 32, b"open\n")
    assert one.claim("job-" + "0" * 32) is None
    assert one.open_ids() == []


def test_old_jobs_are_swept(tmp_path: Path) -> None:
    one, _ = stores(tmp_path)
    old, new = one.create(JOB), one.create(replace(JOB, tenant="team-b"))
    one.cancel(old.id)
    with pytest.MonkeyPatch.context() as patch:
        late = old.created_at + 2 * job_store.KEPT_S
        patch.setattr("time.time", lambda: late)
        assert one.sweep() == 1
    with pytest.raises(NotFoundError):
        one.read(old.id)
    assert one.read(new.id)[0].is_open
