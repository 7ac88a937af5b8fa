"""Kubeflow Pipelines of a cluster, through kfp's own client: start, find, follow, stop, upload."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldsmith.errors import ClusterError

EXPERIMENT = "goldsmith"
OVER = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}
"""States of a run that has ended."""
_PAGE, _PAGES = 100, 20


@dataclass(frozen=True)
class PipelineRun:
    """A run as Kubeflow Pipelines has it."""

    id: str
    name: str
    state: str

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in OVER


def healthz(url: str) -> dict[str, Any]:
    """What the server says of itself; ClusterError if it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/apis/v2beta1/healthz", timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ClusterError(
            f"Kubeflow Pipelines does not answer at {url}",
            why=str(error),
            fix="kubectl port-forward svc/ml-pipeline 8888, then --kfp http://127.0.0.1:8888",
        ) from None


class Pipelines:
    """The pipeline API at a URL; ClusterError says what it refused."""

    def __init__(self, url: str) -> None:
        healthz(url)  # kfp's client waits 25 s for one that is not there
        self.url = url
        with _quiet("open"):
            import kfp

            self._client = kfp.Client(host=url)

    def start(
        self, text: str, *, name: str, parameters: Mapping[str, Any], account: str
    ) -> PipelineRun:
        """Start a run of a compiled pipeline under a name and a service account."""
        with _quiet(f"start run {name}"), _file(text) as path:
            experiment = self._client.create_experiment(EXPERIMENT).experiment_id
            made = self._client.run_pipeline(
                experiment, name, str(path), params=dict(parameters), service_account=account
            )
        return _run(made)

    def find(self, name: str) -> PipelineRun | None:
        """The newest run of that name, or with that `run_id` if somebody named it otherwise."""
        return next(self.find_all(name), None)

    def find_all(self, name: str) -> Iterator[PipelineRun]:
        """Every run of that name, the newest first; an attempt more is a run more."""
        token = ""
        for _ in range(_PAGES):
            with _quiet("list runs"):
                page = self._client.list_runs(
                    page_token=token, page_size=_PAGE, sort_by="created_at desc"
                )
            for entry in page.runs or []:
                if name in (entry.display_name, _run_id(entry)):
                    yield _run(entry)
            token = page.next_page_token
            if not token:
                break

    def get(self, run: PipelineRun) -> PipelineRun:
        """The run as it is now."""
        with _quiet(f"read run {run.name}"):
            return _run(self._client.get_run(run.id))

    def terminate(self, run: PipelineRun) -> None:
        """Ask it to stop."""
        with _quiet(f"terminate run {run.name}"):
            self._client.terminate_run(run.id)

    def upload(self, text: str, *, name: str, version: str) -> bool:
        """Make a pipeline's version known; False if it was known already."""
        with _quiet(f"upload pipeline {name}"), _file(text) as path:
            if not (pipeline := self._client.get_pipeline_id(name)):
                self._client.upload_pipeline(str(path), pipeline_name=name)
                pipeline = self._client.get_pipeline_id(name)
            if version in self._versions(pipeline):
                return False
            self._client.upload_pipeline_version(str(path), version, pipeline_id=pipeline)
        return True

    def _versions(self, pipeline: str) -> set[str]:
        found, token = set(), ""
        for _ in range(_PAGES):
            page = self._client.list_pipeline_versions(pipeline, page_token=token, page_size=_PAGE)
            found |= {entry.display_name for entry in page.pipeline_versions or []}
            token = page.next_page_token
            if not token:
                break
        return found


def _run(entry: Any) -> PipelineRun:
    return PipelineRun(entry.run_id, entry.display_name, entry.state or "PENDING")


def _run_id(entry: Any) -> str:
    """The `run_id` among a run's parameters."""
    parameters = getattr(entry.runtime_config, "parameters", None) or {}
    told = parameters.get("run")
    return str(told.get("run_id", "")) if isinstance(told, dict) else ""


@contextlib.contextmanager
def _file(text: str) -> Iterator[Path]:
    """The text as a file, as kfp's client wants it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        path.write_text(text, encoding="utf-8")
        yield path


@contextlib.contextmanager
def _quiet(doing: str) -> Iterator[None]:
    """Keep links and warnings of kfp's client to itself, and put its errors into words."""
    import kfp_server_api
    from urllib3.exceptions import HTTPError

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except kfp_server_api.ApiException as error:
        raise ClusterError(
            f"Kubeflow Pipelines refuses to {doing}",
            why=_words(error),
            status=error.status or 0,
        ) from None
    except (HTTPError, TimeoutError) as error:
        raise ClusterError(
            f"Kubeflow Pipelines does not answer to {doing}", why=str(error)
        ) from None


def _words(error: Any) -> str:
    """The server's message, without its stack of causes."""
    try:
        message = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        message = f"{error.status} {error.reason}"
    return " ".join(message.split())[:500]
