"""A request's body, read: which model, which tokens, how the answer is chosen and sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jinja2

from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin import fields
from goldsmith.serving.builtin.fields import Body
from goldsmith.serving.builtin.refusal import Refusal
from goldsmith.serving.builtin.sampling import Sampling

_ROLES = ("system", "user", "assistant", "developer", "tool")
_NOT_SERVED: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
"""Fields that would change the answer, and the values at which they do not."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    model: str
    prompt: tuple[int, ...]
    sampling: Sampling
    chat: bool
    stream: bool
    include_usage: bool


class Reader:
    """Reads bodies for one model: its tokenizer, chat template and context."""

    def __init__(self, policy: Policy, *, context: int) -> None:
        self._policy, self._context = policy, context
        self._longest_token = max(map(len, policy.tokenizer.get_vocab()))

    def read(self, data: bytes, *, chat: bool) -> Question:
        """The question in a body; Refusal if it makes no sense or is not served."""
        body = fields.read_object(data)
        for name, neutral in _NOT_SERVED.items():
            if body.get(name) is not None and body[name] not in neutral:
                raise Refusal(400, f"the built-in engine does not do `{name}`", param=name)
        model = fields.text(body, "model")
        prompt = self._chat(body) if chat else self._prompt(body)
        stream = fields.flag(body, "stream")
        options = body.get("stream_options") or {}
        if not isinstance(options, dict) or (options and not stream):
            raise Refusal(400, "`stream_options` is an object beside stream: true")
        return Question(
            model=model,
            prompt=prompt,
            sampling=self._sampling(body, chat=chat, used=len(prompt)),
            chat=chat,
            stream=stream,
            include_usage=fields.flag(options, "include_usage"),
        )

    def _chat(self, body: Body) -> tuple[int, ...]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refusal(400, "`messages` must be a list that is not empty", param="messages")
        read = [_message(message, index) for index, message in enumerate(messages)]
        self._check_size(sum(len(message["content"]) for message in read), param="messages")
        try:
            text = self._policy.tokenizer.apply_chat_template(
                read, tokenize=False, add_generation_prompt=True
            )
        except jinja2.TemplateError as error:
            raise Refusal(400, f"the chat template refuses it: {error}", param="messages") from None
        return self._encode(text, param="messages")

    def _prompt(self, body: Body) -> tuple[int, ...]:
        prompt = body.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
            prompt = prompt[0]
        if isinstance(prompt, str) and prompt:
            self._check_size(len(prompt), param="prompt")
            return self._encode(prompt, param="prompt")
        vocabulary = self._policy.model.config.get_text_config().vocab_size
        if not isinstance(prompt, list) or not prompt:
            raise Refusal(400, "`prompt` must be one text or one list of tokens", param="prompt")
        if not all(type(token) is int and 0 <= token < vocabulary for token in prompt):
            why = f"`prompt` must be one text or tokens below {vocabulary}"
            raise Refusal(400, why, param="prompt")
        return self._fitting(tuple(prompt), param="prompt")

    def _check_size(self, characters: int, *, param: str) -> None:
        """Refuse what cannot fit before spending time on its tokens."""
        if characters > self._context * self._longest_token:
            raise self._too_long(f"at least {characters // self._longest_token}", param=param)

    def _encode(self, text: str, *, param: str) -> tuple[int, ...]:
        ids = self._policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise Refusal(400, f"`{param}` has no tokens", param=param)
        return self._fitting(tuple(ids), param=param)

    def _fitting(self, ids: tuple[int, ...], *, param: str) -> tuple[int, ...]:
        if len(ids) >= self._context:
            raise self._too_long(str(len(ids)), param=param)
        return ids

    def _sampling(self, body: Body, *, chat: bool, used: int) -> Sampling:
        asked = None
        if chat:
            asked = fields.integer(body, "max_completion_tokens", low=1, high=2**31)
        asked = asked or fields.integer(body, "max_tokens", low=1, high=2**31)
        if asked and used + asked > self._context:
            raise self._too_long(f"{used} and {asked} more", param="max_tokens")
        return Sampling(
            max_tokens=asked or (self._context - used if chat else min(16, self._context - used)),
            temperature=fields.number(body, "temperature", low=0, high=2, default=1.0),
            top_p=fields.number(body, "top_p", low=0, high=1, default=1.0),
            stop=fields.stops(body),
            seed=fields.integer(body, "seed", low=-(2**63), high=2**63 - 1),
            logprobs=_logprobs(body, chat=chat),
        )

    def _too_long(self, tokens: str, *, param: str) -> Refusal:
        return Refusal(
            400,
            f"this model's maximum context length is {self._context} tokens, and you asked for "
            f"{tokens}; shorten the prompt or lower max_tokens",
            param=param,
            code="context_length_exceeded",
        )


def _logprobs(body: Body, *, chat: bool) -> int | None:
    """How many alternatives: a number for completions, a flag and a number for chats."""
    if not chat:
        return fields.integer(body, "logprobs", low=0, high=20)
    if not fields.flag(body, "logprobs"):
        return None
    return fields.integer(body, "top_logprobs", low=0, high=20) or 0


def _message(message: Any, index: int) -> dict[str, str]:
    """Role and text of a message; parts of text are put together."""
    where = f"messages[{index}]"
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise Refusal(400, f"`{where}.role` must be one of {', '.join(_ROLES)}", param="messages")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        texts = [part for part in parts if isinstance(part, str)]
        content = "".join(texts) if len(texts) == len(content) else None
    if not isinstance(content, str):
        raise Refusal(400, f"`{where}.content` must be text", param="messages")
    return {"role": message["role"], "content": content}
