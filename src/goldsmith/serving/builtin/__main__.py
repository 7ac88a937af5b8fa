"""`python -m goldsmith.serving.builtin MODEL_DIR`: serve one model on a CPU."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from goldsmith.errors import GoldsmithError


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve; the exit status."""
    given = _parser().parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two contended threads run 3-10x slower
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from goldsmith.serving.builtin.server import ServerOptions, serve

    options = ServerOptions(
        model=given.model,
        names=tuple(given.served_model_name or [given.model.name]),
        host=given.host,
        port=given.port,
        slots=given.slots,
        context=given.context,
        adapters_root=given.adapters_root,
        max_loras=given.max_loras,
        max_lora_rank=given.max_lora_rank,
        drain_s=given.drain_s,
    )
    try:
        return serve(options)
    except GoldsmithError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="goldsmith.serving.builtin", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of a model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", action="append", help="may be given again")
    parser.add_argument("--slots", type=int, default=16, help="requests that decode at once")
    parser.add_argument("--context", type=int, default=0, help="tokens; 0: the model's own")
    parser.add_argument("--adapters-root", type=Path, help="adapters are loaded from below it")
    parser.add_argument("--max-loras", type=int, default=4, help="adapters loaded at once")
    parser.add_argument("--max-lora-rank", type=int, default=16)
    parser.add_argument("--drain-s", type=float, default=30.0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
