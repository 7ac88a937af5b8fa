"""Images that the steps run in: registry and tag come from the environment when compiling."""

import os

_REGISTRY = os.environ.get("GOLDSMITH_REGISTRY", "goldsmith")
_TAG = os.environ.get("GOLDSMITH_TAG", "dev")

STEPS = f"{_REGISTRY}/steps:{_TAG}"
"""No torch: data, gate, registry."""
TRAINER = f"{_REGISTRY}/trainer:{_TAG}"
"""With torch: training and evaluation."""
