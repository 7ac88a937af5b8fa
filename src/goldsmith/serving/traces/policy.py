"""Which requests are kept: by consent, and by a tenant's share, the same for the same request."""

from __future__ import annotations

import hashlib

from goldsmith.config.serving import TraceSettings

DEFAULT = "default"
"""Stands in `sample` for every tenant that it does not name."""


def consents(settings: TraceSettings, tenant: str) -> bool:
    """Whether the tenant agreed that models are trained on its traces."""
    return tenant in settings.consenting


def keeps(settings: TraceSettings, tenant: str, request_id: str) -> bool:
    """Whether a request belongs to the sample; every process answers alike."""
    if settings.require_consent and not consents(settings, tenant):
        return False
    share = settings.sample.get(tenant, settings.sample.get(DEFAULT, 1.0))
    return share >= 1.0 or position(request_id) < share


def position(request_id: str) -> float:
    """Where a request lies in [0, 1): evenly spread, whatever its name looks like."""
    digest = hashlib.blake2b(request_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
