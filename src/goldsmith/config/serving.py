"""`ServingConfig` says what is served and by which rules: tiers, router, adapters, traces.

`goldsmith serve` writes one for a laptop, the chart renders one into the ConfigMap
`goldsmith-serving`; router, adapter controller and trace collector all read the same file.
Times are in ms, prices in USD per million tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from goldsmith.config.load import explain_mistake, parse_mapping, read_config
from goldsmith.config.run import Section, Tier

EngineName = Literal["builtin", "vllm", "tensorrt-llm"]
Share = Annotated[float, Field(ge=0, le=1)]


class TierSettings(Section):
    """One tier as the router sees it."""

    endpoints: Annotated[tuple[str, ...], Field(min_length=1)]
    """Base URLs of its replicas; `dns://host:port` stands for every address of that name."""
    engine: EngineName = "builtin"
    model: str = ""
    """Name under which the engine serves the base model; empty: the tier's own name."""
    slo_ttft_ms: PositiveFloat
    """p99 of the time to first token, or to acceptance of a job."""
    context: PositiveInt = 8192
    """Tokens of prompt and answer together."""
    price_in: NonNegativeFloat = 0.0
    price_out: NonNegativeFloat = 0.0
    quality: Share = 0.5
    """What is believed of its answers before any verdict."""
    slots: PositiveInt = 16
    """Requests that one replica decodes at once."""
    prefill_tokens_per_s: PositiveFloat = 2000.0
    """First guess; measured from then on."""
    decode_tokens_per_s: PositiveFloat = 30.0
    """Of one request; first guess."""
    network_ms: NonNegativeFloat = 1.0


class PolicySettings(Section):
    """One declared way through the tiers."""

    kind: Literal["single", "cascade", "plan_and_execute"] = "single"
    draft: Tier = "gold"
    """cascade: who answers first."""
    escalate: tuple[Tier, ...] = ("silver", "bronze")
    """cascade: who answers next, in order, while the test says no."""
    min_confidence: Share = 0.6
    """cascade: mean token probability of a draft that is kept, where no verifier runs."""
    planner: Tier = "bronze"
    """plan_and_execute: who writes the steps."""
    actor: Tier = "gold"
    """plan_and_execute: who acts each one."""
    max_steps: PositiveInt = 8


class BudgetSettings(Section):
    """What a tenant may spend; 0: no limit."""

    usd_per_day: NonNegativeFloat = 0.0
    requests_per_minute: NonNegativeFloat = 0.0
    tokens_per_minute: NonNegativeFloat = 0.0


class KeySettings(Section):
    """One API key: its SHA-256, whose it is, and its own limits."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    tenant: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    name: str = ""
    limits: BudgetSettings = BudgetSettings()


class JWTSettings(Section):
    """Tokens that an identity provider signs."""

    jwks: str
    """URL or file of its keys."""
    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"], ...] = (
        "RS256",
        "ES256",
    )
    tenant_claim: str = "tenant"


class CredentialSettings(Section):
    """Who may ask."""

    open: bool = False
    """No credential needed, tenant `local`: for a laptop only."""
    keys: tuple[KeySettings, ...] = ()
    jwt: JWTSettings | None = None
    tenants: dict[str, BudgetSettings] = Field(default_factory=dict)
    """Limits of a tenant over all its keys."""


class RouterSettings(Section):
    """How requests find their tier."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    admin_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Metrics and the adapter controller's interface; never exposed."""
    order: tuple[Tier, ...] = ("bronze", "silver", "gold")
    """Order of degradation where no tier meets every condition."""
    budget_usd_per_hour: NonNegativeFloat = 0.0
    """Of all requests that leave the tier to the router; 0: no budget."""
    min_quality: Share = 0.0
    """Floor of the quality's lower bound, unless a request says so."""
    exploration: Share = 0.01
    """Share of `auto` requests that try another feasible tier."""
    max_body_bytes: PositiveInt = 8 << 20
    max_waiting: PositiveInt = 512
    """Admitted requests that wait for a slot; more are told to come back."""
    connect_timeout_ms: PositiveFloat = 500.0
    first_byte_timeout_ms: PositiveFloat = 30_000.0
    idle_timeout_ms: PositiveFloat = 30_000.0
    """Between two chunks."""
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    """Other endpoints that are tried, before the first byte only."""
    hedge_share: Share = 0.05
    """Share of requests that may be sent twice when the first byte is late; 0: never."""
    drain_s: PositiveFloat = 30.0
    seed: int = 0
    jobs: str = ""
    """Where async jobs outlive a restart: a directory or `s3://bucket/prefix`; empty: no jobs."""
    decision_log: str = ""
    """File that every decision is logged to with its inputs; empty: none."""


class AdapterSettings(Section):
    """LoRA adapters that are swapped while requests run."""

    names: dict[Tier, tuple[str, ...]] = Field(default_factory=dict)
    """Adapters of each tier that the controller keeps loaded; `*`: all that have an alias."""
    golden_prompt: str = "look"
    reconcile_s: PositiveFloat = 10.0
    recycle_after: PositiveInt = 50
    """Loads after which a replica is restarted: engines leak memory at each."""
    quorum: Literal["all", "all-but-one"] = "all"
    """Replicas that must have a version before requests get it."""
    max_loaded: PositiveInt = 4
    """Adapters that an engine holds at once; the live ones and one more is the least."""
    routers: tuple[str, ...] = ()
    """Admin URLs of all routers, `dns://host:port` too; empty: the one of this configuration."""
    agent_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where the agent beside each engine fetches adapters; 0: the controller writes them itself."""


class TraceSettings(Section):
    """What is kept of the requests."""

    collector: str = ""
    """URL of the trace collector; empty: traces are off."""
    directory: str = ""
    """The collector's local log, on a volume that outlives its pod."""
    sample: dict[str, Share] = Field(default_factory=lambda: {"default": 1.0})
    """Tenant to the share of its requests that is kept."""
    require_consent: bool = False
    """Keep only what the credential's tenant consented to."""
    consenting: tuple[str, ...] = ()
    """Tenants that consented to training on their traces."""
    seal_s: PositiveFloat = 30.0
    """Age at which a segment is sealed into the store; at most 60 s pass with the upload."""
    max_disk_bytes: PositiveInt = 1 << 30
    max_pending: PositiveInt = 4096
    """Records that wait in memory; more are shed and counted."""


class ServingConfig(Section):
    """Everything that serves one store's models."""

    tiers: Annotated[dict[Tier, TierSettings], Field(min_length=1)]
    router: RouterSettings = RouterSettings()
    policies: dict[str, PolicySettings] = Field(
        default_factory=lambda: {
            "single": PolicySettings(),
            "cascade": PolicySettings(kind="cascade"),
            "plan_and_execute": PolicySettings(kind="plan_and_execute"),
        }
    )
    """By name; a request picks one with `X-Route-Policy`, `single` by default."""
    credentials: CredentialSettings = CredentialSettings()
    adapters: AdapterSettings = AdapterSettings()
    traces: TraceSettings = TraceSettings()

    @model_validator(mode="after")
    def _policies_name_tiers_that_exist(self) -> Self:
        if "single" not in self.policies:
            raise ValueError("policies needs `single`, which requests get by default")
        return self

    def model_name(self, tier: Tier) -> str:
        """What the tier's engine calls its base model."""
        return self.tiers[tier].model or tier


def load_serving(file: Path) -> ServingConfig:
    """The configuration in a YAML file; ConfigError on a mistake."""
    return validate_serving(parse_mapping(read_config(file), source=str(file)))


def validate_serving(values: dict[str, Any]) -> ServingConfig:
    """`values` as a ServingConfig; ConfigError names the first mistake and what would be right."""
    try:
        return ServingConfig.model_validate(values)
    except ValidationError as error:
        raise explain_mistake(error, ServingConfig) from None
