"""What one training job is told: the same document, in the store, for every launcher back end."""

from __future__ import annotations

from typing import Any

from goldsmith.config.run import RunContext, Section
from goldsmith.errors import ConflictError, NotFoundError
from goldsmith.store.directories import read_manifest
from goldsmith.store.layout import Stage, stage_prefix
from goldsmith.store.manifest import digest_of, seal, unseal
from goldsmith.store.object_store import open_store


class TrainingJob(Section):
    """One stage's work; everything it names is in the store, so that it can run anywhere."""

    run: RunContext
    stage: Stage
    config: dict[str, Any]
    """The stage's config section as JSON."""
    dataset: str
    model: str
    """Where it starts from: a store prefix, or a local path from the configuration."""
    model_digest: str = ""
    """Of the files below a local path; a store prefix never changes."""

    @property
    def digest(self) -> str:
        """Of everything that decides the result."""
        return digest_of(self.model_dump(mode="json", exclude={"run": {"store", "profile"}}))

    @property
    def output(self) -> str:
        """Store prefix of the trained model; it exists exactly when the job is done."""
        return f"{stage_prefix(self.run.run_id, self.stage)}model-{self.digest[:12]}"

    @property
    def name(self) -> str:
        """Deterministic, for launchers that re-attach."""
        return f"{self.run.run_id}-{self.stage.replace('_', '-')}-{self.digest[:8]}"

    @property
    def key(self) -> str:
        """Where the job's document is kept in the store."""
        return f"{stage_prefix(self.run.run_id, self.stage)}job-{self.digest[:12]}.json"


def save_job(job: TrainingJob) -> str:
    """Put the job's document in its store, for its processes to read; the key.

    What the digest leaves out, the store's URL and the profile's name, is as it was the first time.
    """
    document = {"kind": "training-job", **job.model_dump(mode="json", exclude={"run": {"store"}})}
    try:
        open_store(job.run.store).create(job.key, seal(document))
    except ConflictError:
        return job.key
    return job.key


def load_job(store_url: str, key: str) -> TrainingJob:
    """The job of a document, with the store where it is now."""
    document = unseal(open_store(store_url).get(key), key=f"{store_url}/{key}")
    fields = {name: document[name] for name in TrainingJob.model_fields}
    return TrainingJob.model_validate({**fields, "run": {**fields["run"], "store": store_url}})


def is_done(job: TrainingJob) -> bool:
    """Whether the job's result is committed."""
    try:
        read_manifest(open_store(job.run.store), job.output)
    except NotFoundError:
        return False
    return True
