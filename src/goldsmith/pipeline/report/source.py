"""One run's documents in the store, as the report's sections read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from goldsmith.data.trajectories import Trajectory, from_json
from goldsmith.errors import NotFoundError
from goldsmith.evaluation.scores import Scores
from goldsmith.pipeline.manifest import read_run_manifest, step_records
from goldsmith.pipeline.runs import read_config
from goldsmith.store.directories import fetch_file, read_manifest
from goldsmith.store.layout import Stage, metrics_key
from goldsmith.store.manifest import unseal
from goldsmith.store.object_store import ObjectStore

MAX_TRAJECTORIES = 2000
"""Read from a data set to choose an example; enough for any laptop run."""


class Missing(Exception):
    """A part that this run has not reached; the text is the sentence on the page."""


@dataclass(frozen=True)
class Source:
    """Where everything about a run is found."""

    store: ObjectStore
    run_id: str

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's saved document: context, config, threads, created."""
        return read_config(self.store, self.run_id)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The run's manifest; empty if the run has never ended."""
        return read_run_manifest(self.store, self.run_id) or {}

    @cached_property
    def steps(self) -> dict[str, dict[str, Any]]:
        """Finished steps in order, with peak memory as seen from outside where that is known."""
        return {**step_records(self.store, self.run_id), **self.manifest.get("steps", {})}

    def output(self, step: str, name: str) -> str:
        """One output of a finished step; Missing if it has not finished."""
        if step not in self.steps:
            raise Missing(f"This run has not finished {step}.")
        return str(self.steps[step]["outputs"][name])

    def document(self, key: str) -> dict[str, Any]:
        """A sealed JSON document, verified; NotFoundError or IntegrityError."""
        return unseal(self.store.get(key), key=key)

    @cached_property
    def dataset(self) -> str:
        """Reference of the data set that this run wrote."""
        return self.output("collaborate", "dataset")

    @cached_property
    def dataset_manifest(self) -> dict[str, Any]:
        """The data set's manifest: lineage, counts, report."""
        return read_manifest(self.store, self.dataset)

    @cached_property
    def scores(self) -> Scores:
        """What `evaluate` measured."""
        return Scores.model_validate(self.document(self.output("evaluate", "scores")))

    def trajectories(self, name: str) -> Iterator[Trajectory]:
        """The first records of `trajectories.jsonl` or `attempts.jsonl`, verified."""
        lines = fetch_file(self.store, self.dataset, name).splitlines()
        for line in lines[:MAX_TRAJECTORIES]:
            yield from_json(json.loads(line))

    def metrics(self, stage: Stage) -> list[dict[str, Any]]:
        """Every update's metrics of a stage; Missing if it has not finished."""
        try:
            data = self.store.get(metrics_key(self.run_id, stage))
        except NotFoundError:
            raise Missing(f"This run has not finished {stage}.") from None
        rows = [json.loads(line) for line in data.splitlines()]
        return [row for row in rows if "reward" in row]
