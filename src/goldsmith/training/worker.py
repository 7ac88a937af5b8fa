"""One process of a training job: `torchrun -m goldsmith.training.worker STORE KEY`.

`KEY` is the job's document in the store. Needs nothing but torchrun's environment, a scratch folder
(GOLDSMITH_SCRATCH) and the store, so it runs the same on a laptop, in a PyTorchJob and in a
TrainJob.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from goldsmith.errors import GoldsmithError, TrainingError
from goldsmith.observability import lifeline
from goldsmith.observability.progress import Progress
from goldsmith.training.failure import report
from goldsmith.training.job import TrainingJob, load_job
from goldsmith.training.torchrun import SCRATCH


def main() -> None:
    """Train; on failure leave a report with the cause for whoever started torchrun."""
    lifeline.watch()  # torchrun killed -9 would leave us running
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    scratch = Path(os.environ[SCRATCH])
    try:
        job = load_job(sys.argv[1], sys.argv[2])
        _check_world(job)
        if os.environ.get("RANK", "0") == "0":
            Progress(job.stage).update(0, job.config["updates"], text="loading")
        from goldsmith.training.stage import run_stage

        run_stage(job, scratch)
    except Exception as error:
        failure = report(error, scratch)
        if isinstance(error, GoldsmithError):
            raise SystemExit(failure.exit_code) from error
        raise


def _check_world(job: TrainingJob) -> None:
    """TrainingError if there are not as many processes as the configuration says."""
    ranks, wanted = int(os.environ["WORLD_SIZE"]), job.config["processes"]
    if ranks != wanted:
        raise TrainingError(
            f"{job.name} was started with {ranks} processes instead of {wanted}",
            why="their number decides the result",
        )


if __name__ == "__main__":
    main()
