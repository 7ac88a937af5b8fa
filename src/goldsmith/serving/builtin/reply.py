"""Answers in OpenAI's shape: whole, or as the events of a stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin.question import Question
from goldsmith.serving.builtin.rows import Token

DONE = b"data: [DONE]\n\n"


class Reply:
    """Writes one answer: `first`, `event` and `last` for a stream, `whole` otherwise."""

    def __init__(self, question: Question, model: str, policy: Policy) -> None:
        self._question, self._policy = question, policy
        self._chat = question.chat
        name = "chatcmpl" if self._chat else "cmpl"
        kind = "chat.completion" if self._chat else "text_completion"
        self._head = {
            "id": f"{name}-{uuid.uuid4().hex}",
            "object": f"{kind}.chunk" if self._chat and question.stream else kind,
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, tokens: Sequence[Token]) -> bytes:
        """The answer in one object."""
        text = "".join(token.text for token in tokens)
        content: dict[str, Any] = {"text": text}
        if self._chat:
            content = {"message": {"role": "assistant", "content": text}}
        choice = {
            "index": 0,
            **content,
            "logprobs": self._logprobs(tokens),
            "finish_reason": tokens[-1].finish_reason,
        }
        return orjson.dumps({**self._head, "choices": [choice], "usage": self._usage(len(tokens))})

    def first(self) -> bytes:
        """What comes before the first token: a chat's role."""
        if not self._chat:
            return b""
        return self._chunk({"delta": {"role": "assistant", "content": ""}, "finish_reason": None})

    def event(self, token: Token) -> bytes:
        """One token; nothing if there is nothing to tell yet."""
        asked = self._question.sampling.logprobs is not None
        if not (token.text or token.finish_reason or asked):
            return b""
        content = {"delta": {"content": token.text}} if self._chat else {"text": token.text}
        choice = {**content, "finish_reason": token.finish_reason or None}
        if asked:
            choice["logprobs"] = self._logprobs([token])
        return self._chunk(choice)

    def last(self, count: int) -> bytes:
        """What comes after the last of `count` tokens."""
        if not self._question.include_usage:
            return DONE
        usage = {**self._head, "choices": [], "usage": self._usage(count)}
        return b"data: " + orjson.dumps(usage) + b"\n\n" + DONE

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        body = {**self._head, "choices": [{"index": 0, **choice}]}
        return b"data: " + orjson.dumps(body) + b"\n\n"

    def _usage(self, count: int) -> dict[str, int]:
        prompt = len(self._question.prompt)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": count,
            "total_tokens": prompt + count,
        }

    def _logprobs(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        if self._question.sampling.logprobs is None:
            return None
        if self._chat:
            return {"content": [self._chat_logprob(token) for token in tokens]}
        return self._completion_logprobs(tokens)

    def _chat_logprob(self, token: Token) -> dict[str, Any]:
        choice = token.choice
        top = [self._named(other, logprob) for other, logprob in choice.top]
        return {**self._named(choice.token, choice.logprob), "top_logprobs": top}

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        name = self._name(token)
        return {"token": name, "logprob": logprob, "bytes": list(name.encode())}

    def _completion_logprobs(self, tokens: Sequence[Token]) -> dict[str, Any]:
        names = [self._name(token.choice.token) for token in tokens]
        offsets = [0]
        for name in names:
            offsets.append(offsets[-1] + len(name))
        tops = [
            {self._name(other): logprob for other, logprob in token.choice.top} for token in tokens
        ]
        return {
            "tokens": names,
            "token_logprobs": [token.choice.logprob for token in tokens],
            "top_logprobs": tops,
            "text_offset": offsets[:-1],
        }

    def _name(self, token: int) -> str:
        return str(self._policy.tokenizer.decode([token]))
