"""A KServe transformer that changes nothing: the reference row that needs the kserve package."""

from __future__ import annotations

import argparse
from typing import Any

from kserve import Model, ModelServer, model_server


class Unchanged(Model):
    """Forwards to the predictor, by kserve's own client."""

    def preprocess(self, payload: Any, headers: Any = None) -> Any:
        """As it came."""
        return payload


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    arguments, _ = parser.parse_known_args()
    model = Unchanged(arguments.model_name)  # the server reads --predictor_host itself
    model.ready = True
    ModelServer().start([model])
