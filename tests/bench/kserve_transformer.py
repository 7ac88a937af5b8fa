"""A KServe transformer that changes nothing: the reference row that needs the kserve package."""

from __future__ import annotations

import argparse
from typing import Any

from kserve import Model, ModelServer, model_server
from kserve.model import PredictorConfig


class Unchanged(Model):
    """Forwards to the predictor, by kserve's own client."""

    def preprocess(self, payload: Any, headers: Any = None) -> Any:
        """As it came."""
        return payload


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    arguments, _ = parser.parse_known_args()
    predictor = PredictorConfig(predictor_host=arguments.predictor_host)
    model = Unchanged(arguments.model_name, predictor_config=predictor)
    model.ready = True
    ModelServer().start([model])
