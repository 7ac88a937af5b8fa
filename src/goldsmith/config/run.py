"""`RunConfig` says what a run does: one section a step, unknown keys refused.

YAML file or profile, then dotted flags, then validation, then the resolved JSON that is saved with
the run. Each section travels to its step as one dict and is validated there again.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationInfo, field_validator

Tier = Literal["bronze", "silver", "gold"]


class Section(BaseModel):
    """Base of every section: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class RunContext(Section):
    """What every step is told about the run it belongs to."""

    run_id: str
    domain: str
    tier: Tier
    seed: int
    store: str
    """A directory or `s3://bucket/prefix`."""
    profile: str = "laptop"


class LevelMix(Section):
    """How many tasks of one level."""

    level: str
    count: PositiveInt


class CollaborateConfig(Section):
    """A, B and C write expert trajectories."""

    tasks: tuple[LevelMix, ...] = (
        LevelMix(level="easy", count=48),
        LevelMix(level="medium", count=96),
        LevelMix(level="hard", count=160),
    )
    """Training tasks per level."""
    passages: PositiveInt = 8
    """How many passages A returns for a task (k)."""
    max_attempts: int = Field(default=3, ge=1, le=10)
    """Tries of B per task; C's reason goes back to A and B in between."""
    max_turns: PositiveInt = 40
    """Steps of one attempt."""
    task_timeout_s: float = Field(default=60.0, gt=0)
    """Time that the domain plug-in may spend on one task for A and B together, and on a verdict."""
    teacher: Literal["symbolic", "openai"] = "symbolic"
    """B's back end; `openai` is any OpenAI-compatible endpoint."""
    teacher_url: str = ""
    """Base URL of the endpoint, e.g. http://host/v1."""
    teacher_model: str = ""
    teacher_timeout_s: float = Field(default=30.0, gt=0)
    lore_arms: bool = True
    """Also measure acceptance with gold, no and wrong lore, for the report."""
    arm_tasks: PositiveInt = 32
    """Tasks per lore arm."""


class ValidateDataConfig(Section):
    """The data validator in front of training."""

    max_tokens: PositiveInt = 1024  # the context of the shipped bases
    """Token budget of one transcript, by a conservative count without a tokenizer."""
    near_duplicate_threshold: float = Field(default=0.95, gt=0, le=1)
    max_class_share: float = Field(default=0.9, gt=0, le=1)
    """Warn when one first word of the actions is more than this share of all."""
    held_out_tasks: PositiveInt = 4
    """Tasks per level of the validation and of the test split that no record may contain."""
    replay: PositiveInt = 128
    """Trajectories that are replayed, a fixed sample if there are more; a game takes 0.1 s."""


class SRLConfig(Section):
    """Stage 1: dense rewards on single expert steps (arXiv 2510.25992)."""

    mode: Literal["ours", "paper"] = "ours"
    """`paper`: difflib, -1 if malformed, group std, no KL. `ours`: slot and progress rewards,
    refill, batch std."""
    model: str = ""
    """Path of a causal LM; empty: the tier's live version."""
    updates: PositiveInt = 44
    group_size: int = Field(default=8, ge=2)
    """Completions per prompt (G)."""
    prompts_per_update: PositiveInt = 20
    learning_rate: float = Field(default=1e-3, gt=0)
    temperature: float = Field(default=1.2, gt=0)
    """Above 1: bases are sure of wrong lookups, and a group of equal answers teaches nothing."""
    max_new_tokens: PositiveInt = 64
    filter_epsilon: float = Field(default=0.05, ge=0)
    """Groups whose reward std is not above this are dead and are refilled."""
    refill_rounds: int = Field(default=2, ge=0)
    malformed_reward: float = Field(default=-0.2, ge=-1, le=0)
    kl_target: float | None = Field(default=None, gt=0)
    """Nats a token; None: no KL."""
    processes: PositiveInt = 2
    """Training processes (ranks); another number gives another, equally good result."""
    lora_rank: int = Field(default=0, ge=0)
    """0: full fine-tuning."""
    save_every: PositiveInt = 20

    @field_validator("kl_target")
    @classmethod
    def _paper_has_no_kl(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("mode") == "paper":
            raise ValueError("mode paper has no KL; leave srl.kl_target out, or set srl.mode=ours")
        return value


class RLVRConfig(Section):
    """Stage 2: whole episodes, reward 1 only if the verifier says the task is solved."""

    algorithm: Literal["grpo"] = "grpo"
    updates: PositiveInt = 26
    group_size: int = Field(default=8, ge=2)
    prompts_per_update: PositiveInt = 8
    learning_rate: float = Field(default=3e-4, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: PositiveInt = 64
    """Per turn."""
    max_turns: PositiveInt = 24
    filter_epsilon: float = Field(default=0.0, ge=0)
    refill_rounds: int = Field(default=1, ge=0)
    kl_target: float | None = Field(default=None, gt=0)
    processes: PositiveInt = 2
    """Training processes (ranks); another number gives another, equally good result."""
    lora_rank: int = Field(default=0, ge=0)
    save_every: PositiveInt = 10
    readiness_samples: PositiveInt = 16
    """n of the pass@n that sorts tasks into SRL, RLVR and retired."""
    readiness_tasks: PositiveInt = 48
    """Training tasks that are sorted so; RLVR takes its tasks from them."""


class SuiteConfig(Section):
    """One evaluation suite and what the gate asks of it."""

    name: str
    level: str
    games: PositiveInt
    role: Literal["target", "regression"]
    margin: float | None = Field(default=None, ge=0, le=1)
    """Non-inferiority margin (share of games); required for a regression suite."""


class EvaluateConfig(Section):
    """Candidate and live model on the same games."""

    suites: tuple[SuiteConfig, ...] = (
        SuiteConfig(name="hard", level="hard", games=240, role="target"),
        SuiteConfig(name="medium", level="medium", games=120, role="regression", margin=0.12),
        SuiteConfig(name="easy", level="easy", games=120, role="regression", margin=0.12),
    )
    samples: PositiveInt = 4
    """k of avg@k."""
    passages: PositiveInt = 8
    """How many passages A returns for a task; as in `collaborate`."""
    processes: PositiveInt = 2
    """Processes that play; another number draws other samples."""
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: PositiveInt = 64
    max_turns: PositiveInt = 24


class QualityGateConfig(Section):
    """Promote, hold or reject, from paired scores."""

    bootstrap_draws: PositiveInt = 10_000
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    reject_drop: float = Field(default=0.2, gt=0, le=1)
    """A target suite that is surely worse by this much is rejected, not held."""


class RegisterConfig(Section):
    """Into the registry."""

    keep_held: bool = True
    """Register a candidate that was held too, so that a person can promote it later."""


class RollOutConfig(Section):
    """Moves the tier's alias by compare-and-swap."""

    enabled: bool = True


class RunConfig(Section):
    """One training run."""

    domain: str = "cooking"
    tier: Tier = "gold"
    seed: int = Field(default=0, ge=0, lt=2**32)
    collaborate: CollaborateConfig = CollaborateConfig()
    validate_data: ValidateDataConfig = ValidateDataConfig()
    srl: SRLConfig = SRLConfig()
    rlvr: RLVRConfig = RLVRConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    quality_gate: QualityGateConfig = QualityGateConfig()
    register_: RegisterConfig = Field(default=RegisterConfig(), alias="register")
    """`register` everywhere but here, where pydantic's metaclass has a method of that name."""
    roll_out: RollOutConfig = RollOutConfig()

    def sections(self) -> dict[str, dict[str, Any]]:
        """Name to JSON values of each section, in the order of the flow."""
        values = self.model_dump(mode="json")
        return {key: value for key, value in values.items() if isinstance(value, dict)}
