"""Every private hook of TRL that Goldsmith uses, in one place.

`GroupTrainer` is TRL's GRPOTrainer with three changes: rollouts come from a `GroupSource` through
TRL's public `rollout_func`, which refills dead groups; a dead group that is left is masked, so that
it neither dilutes the gradient nor pulls on KL; and log probabilities run each unique prompt once
and share its keys and values among the group.
tests/unit/training/test_trl_adapter.py pins the signatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from transformers.cache_utils import DynamicCache
from trl import GRPOConfig, GRPOTrainer

from goldsmith.rollouts.policy import Policy
from goldsmith.training.groups import Filled, Group, fill


class GroupSource(Protocol):
    """Where instances come from and how their completions are generated and scored."""

    @property
    def name(self) -> str:
        """Of the reward, as in `rewards/<name>/mean`."""
        ...

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what every group measures beside its reward."""
        ...

    def __len__(self) -> int: ...

    def roll(
        self, policy: Policy, instances: Sequence[int], generator: torch.Generator
    ) -> list[Group]: ...


class GroupTrainer(GRPOTrainer):
    """GRPO on groups that a source rolls and a refill keeps alive."""

    def __init__(
        self,
        model: str,
        source: GroupSource,
        args: GRPOConfig,
        *,
        tokenizer: Any,
        filter_epsilon: float,
        refill_rounds: int,
        peft_config: Any = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        self.source = source
        self.filter_epsilon, self.refill_rounds = filter_epsilon, refill_rounds
        names = (source.name, *source.measures)
        args.reward_weights = [1.0] + [0.0] * len(source.measures)
        super().__init__(
            model=model,
            reward_funcs=[_column(name) for name in names],
            args=args,
            train_dataset=_instances(len(source), at_least=args.generation_batch_size),
            processing_class=tokenizer,
            rollout_func=_rollout,
            peft_config=peft_config,
            callbacks=callbacks,
        )

    def rollout(self, instances: Sequence[int]) -> Filled:
        """One update's groups for this rank; the same seed, step and rank give the same groups."""
        model = self.accelerator.unwrap_model(self.model)
        policy = Policy(model, self.processing_class)
        rank, step = self.accelerator.process_index, self.state.global_step

        def roll(chosen: Sequence[int], round_: int) -> list[Group]:
            seed = np.random.SeedSequence([self.args.seed, step, round_, rank]).generate_state(1)[0]
            return self.source.roll(policy, chosen, torch.Generator().manual_seed(int(seed)))

        def redraw(count: int, round_: int) -> list[int]:
            rng = np.random.default_rng([self.args.seed, step, round_, rank, 1])
            return [int(i) for i in rng.integers(len(self.source), size=count)]

        def anybody(missing: int) -> bool:
            flags = self.accelerator.gather(torch.tensor([missing], device=self.accelerator.device))
            return bool(flags.any())

        model.eval()
        try:
            return fill(
                instances,
                roll=roll,
                redraw=redraw,
                anybody=anybody,
                epsilon=self.filter_epsilon,
                rounds=self.refill_rounds,
            )
        finally:
            model.train()

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **multimodal: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Log probabilities (rows, tokens) and entropies of the completions, prompts shared."""
        if compute_aux_loss or any(value is not None for value in multimodal.values()):
            # TRL is not typed
            return super()._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size=batch_size,
                compute_entropy=compute_entropy,
                compute_aux_loss=compute_aux_loss,
                **multimodal,
            )
        size = batch_size or len(input_ids)
        parts = [
            _shared_prefix_logps(model, ids, mask, logits_to_keep, temperature=self.temperature)
            for ids, mask in zip(input_ids.split(size), attention_mask.split(size), strict=True)
        ]
        logps = torch.cat([part[0] for part in parts])
        entropies = torch.cat([part[1] for part in parts]) if compute_entropy else None
        return logps, entropies, None


def _rollout(prompts: list[str], trainer: GroupTrainer) -> dict[str, Any]:
    """TRL's `rollout_func`: prompts are instance numbers, each repeated G times in a row."""
    size = trainer.num_generations
    filled = trainer.rollout([int(prompt) for prompt in prompts[::size]])
    for name, value in (
        ("groups/usable", filled.first_live / filled.first),
        ("groups/kept", filled.live / max(filled.rolled, 1)),
        ("groups/rolled", float(filled.rolled)),
        ("groups/refill_rounds", float(filled.rounds)),
    ):
        trainer._log_metric(name, value)
    rows: dict[str, list[Any]] = {"prompt_ids": [], "completion_ids": [], "env_mask": []}
    names = (trainer.source.name, *trainer.source.measures)
    columns: dict[str, list[float]] = {name: [] for name in names}
    for number, group in enumerate(filled.groups):
        for completion in group.completions:
            rows["prompt_ids"].append(list(group.prompt_ids))
            rows["completion_ids"].append(completion.ids)
            live = number < filled.live
            rows["env_mask"].append(completion.mask if live else [0] * len(completion.mask))
        columns[trainer.source.name].extend(group.rewards)
        for name in trainer.source.measures:
            columns[name].extend(group.measures[name])
    return {**rows, "logprobs": None, **columns}


def _instances(count: int, *, at_least: int) -> Dataset:
    """Instance numbers as prompts; few of them are repeated, since TRL drops a short batch."""
    rows = max(count, at_least)
    return Dataset.from_dict({"prompt": [str(row % count) for row in range(rows)]})


def _column(name: str) -> Any:
    """A reward function that returns what the rollout has measured already."""

    def reward(**columns: Any) -> list[float]:
        return list(columns[name])

    reward.__name__ = name
    return reward


def _shared_prefix_logps(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, keep: int, *, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities and entropies (rows, keep) with each unique prompt run once."""
    width = ids.shape[1] - keep
    prompts, owner = torch.unique(ids[:, :width], dim=0, return_inverse=True)
    first = torch.stack([(owner == number).nonzero()[0, 0] for number in range(len(prompts))])
    prompt_mask = mask[first, :width]
    cache = DynamicCache()
    head = model(
        input_ids=prompts,
        attention_mask=prompt_mask,
        position_ids=(prompt_mask.cumsum(1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[owner]
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[owner], layer.values[owner]
    tail = model(
        input_ids=ids[:, width:],
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, width:],
        past_key_values=cache,
        use_cache=True,
    ).logits
    logits = torch.cat([head, tail[:, :-1]], dim=1).float() / temperature
    logps = logits.log_softmax(-1)
    with torch.no_grad():
        entropies = -(logps.exp() * logps).sum(-1)
    return logps.gather(-1, ids[:, width:, None]).squeeze(-1), entropies
