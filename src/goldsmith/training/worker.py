"""One process of a training job: `torchrun -m goldsmith.training.worker JOB.json`.

Needs nothing but torchrun's environment and the store, so it runs the same on a laptop, in a
PyTorchJob and in a TrainJob.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from goldsmith.errors import GoldsmithError
from goldsmith.observability import lifeline
from goldsmith.training.job import TrainingJob


def main() -> None:
    """Train; on failure leave one JSON line with the cause for the launcher."""
    lifeline.watch()  # torchrun killed -9 would leave us running
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    job = TrainingJob.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    scratch = Path(os.environ["GOLDSMITH_SCRATCH"])
    try:
        from goldsmith.training.stage import run_stage

        run_stage(job, scratch)
    except Exception as error:
        rank = os.environ.get("RANK", "0")
        known = isinstance(error, GoldsmithError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        report = {"class": type(error).__name__, "message": message, "rank": rank}
        (scratch / f"failure-{rank}.json").write_text(json.dumps(report), encoding="utf-8")
        if known:
            raise SystemExit(1) from error
        raise


if __name__ == "__main__":
    main()
