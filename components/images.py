"""Images that the steps run in: registry and tag come from the environment when compiling."""

import os

_REGISTRY = os.environ.get("GOLDSMITH_REGISTRY", "localhost")
_TAG = os.environ.get("GOLDSMITH_TAG", "dev")

STEPS = f"{_REGISTRY}/goldsmith-steps:{_TAG}"
"""No torch: data, gate, registry, and what launches training on a cluster."""
TORCH = f"{_REGISTRY}/goldsmith-torch:{_TAG}"
"""With torch: training and evaluation."""
