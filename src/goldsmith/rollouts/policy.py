"""A model and its tokenizer as a player: transcripts to token ids and back.

An episode's tokens are append-only: what was sampled is never rendered again. The text after a
student's turn (the observation and the next turn's opening) is rendered once, from the chat
template, as the difference between two short dummy chats.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from goldsmith.errors import ArtefactError
from goldsmith.tasks.transcript import Transcript

_MARK = "4f1c"
"""Content that no chat template contains."""


class Policy:
    """A causal LM that plays: `model` and `tokenizer` are those of `transformers`."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        eos = model.generation_config.eos_token_id
        ids = {eos} if isinstance(eos, int) else set(eos or ())
        self.eos_ids: frozenset[int] = frozenset({*ids, tokenizer.eos_token_id} - {None})
        self.pad_id: int = tokenizer.pad_token_id
        self.max_tokens: int = model.config.max_position_embeddings
        self.observation_ids = lru_cache(maxsize=65536)(self._observation_ids)

    def opening_ids(self, transcript: Transcript) -> list[int]:
        """Token ids of a transcript, up to where the student's next turn begins."""
        text = self._render(transcript.messages(), generate=True)
        return self._encode(text)

    def _observation_ids(self, text: str) -> tuple[int, ...]:
        """Token ids between a student's end-of-turn token and its next turn."""
        chat = [{"role": "user", "content": "u"}, {"role": "assistant", "content": _MARK}]
        before = self._render(chat, generate=False)
        after = self._render([*chat, {"role": "user", "content": text}], generate=True)
        if not after.startswith(before):
            raise ArtefactError(
                "chat template is not append-only",
                fix="use a model whose template renders each message on its own",
            )
        tail = before[before.rindex(_MARK) + len(_MARK) :].replace(self.tokenizer.eos_token, "", 1)
        return tuple(self._encode(tail + after[len(before) :]))

    def completion_ids(self, text: str) -> list[int]:
        """Token ids of a student's turn, end-of-turn token included."""
        return [*self._encode(text), self.tokenizer.eos_token_id]

    def decode(self, ids: list[int]) -> str:
        """The text of a student's turn, without special tokens."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _render(self, messages: list[dict[str, str]], *, generate: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=generate
            )
        )

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def load_policy(directory: Path, *, device: str = "cpu") -> Policy:
    """A policy from a model folder: safetensors only, no remote code, fp32 weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtefactError(
            f"cannot load a model from {directory}",
            why=why,
            fix="give a folder with config.json, tokenizer and model.safetensors",
        ) from error
    return Policy(model.to(device).eval(), tokenizer)
