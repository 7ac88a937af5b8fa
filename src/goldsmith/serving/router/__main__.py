"""`python -m goldsmith.serving.router --config FILE`: the router as a program."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from goldsmith.config.serving import load_serving
from goldsmith.errors import GoldsmithError
from goldsmith.serving.router.kserve import as_transformer, serve_on_kserve
from goldsmith.serving.router.server import collect_rarely, serve


def main() -> int:
    """Serve until a signal comes; 2 if the configuration makes no sense."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    collect_rarely()
    try:
        config = load_serving(arguments.config)
        if arguments.predictor_host:
            config = as_transformer(
                config,
                predictor_host=arguments.predictor_host,
                model_name=arguments.model_name,
                http_port=arguments.http_port,
            )
        if arguments.kserve:
            serve_on_kserve(config)
        else:
            serve(config)
    except GoldsmithError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="goldsmith.serving.router", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML of a ServingConfig")
    parser.add_argument("--kserve", action="store_true", help="mount it on kserve's own server")
    parser.add_argument("--predictor_host", default="", help="be the transformer of this predictor")
    parser.add_argument("--model_name", default="", help="name of its InferenceService")
    parser.add_argument("--http_port", type=int, default=0, help="public port; 0: the file's")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
