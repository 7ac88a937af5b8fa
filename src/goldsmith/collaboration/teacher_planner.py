"""Role B's back ends: the domain's symbolic planner, or any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Protocol

from goldsmith.config.run import CollaborateConfig
from goldsmith.errors import ConfigError, TeacherError
from goldsmith.tasks.domain import Domain, Planner
from goldsmith.tasks.guard import Guard
from goldsmith.tasks.transcript import Step, Transcript

KEY_VARIABLE = "GOLDSMITH_TEACHER_API_KEY"
TRIES = 3
MAX_ANSWER_BYTES = 1_000_000
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class Teacher(Protocol):
    """Role B."""

    def next_step(
        self, transcript: Transcript, *, reasons: Sequence[str], guard: Guard
    ) -> Step | None:
        """The next step, or None if what B answered is no step; `reasons` are C's, so far."""
        ...


class SymbolicTeacher:
    """The domain's planner: it plans from the transcript, so C's reason reaches it through A."""

    def __init__(self, domain: Domain) -> None:
        self._planner: Planner = Guard(domain.name, "its planner").call(domain.planner)

    def next_step(
        self, transcript: Transcript, *, reasons: Sequence[str], guard: Guard
    ) -> Step | None:
        """The planner's step; DomainError if it raises or hangs."""
        step: Step = guard.call(self._planner.next_step, transcript)
        return step


class EndpointTeacher:
    """A chat model that is asked for one JSON object a step.

    Down, slow or no chat API: TeacherError after a bounded number of tries. An answer that is not
    a step is B's fault, not the endpoint's, and fails the attempt.
    """

    def __init__(self, url: str, model: str, *, timeout_s: float, pause_s: float = 1.0) -> None:
        self.url = url.rstrip("/") + "/chat/completions"
        self.model, self.timeout_s, self.pause_s = model, timeout_s, pause_s
        key = os.environ.get(KEY_VARIABLE, "")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        prompt = resources.files("goldsmith.collaboration") / "teacher_prompt.txt"
        self._prompt = prompt.read_text(encoding="utf-8")

    def next_step(
        self, transcript: Transcript, *, reasons: Sequence[str], guard: Guard
    ) -> Step | None:
        """The endpoint's step, or None if its text is not the JSON object that was asked for."""
        return read_step(self._ask(self._messages(transcript, reasons)))

    def _messages(self, transcript: Transcript, reasons: Sequence[str]) -> list[dict[str, str]]:
        lore = "\n".join(f"[{passage_id}] {text}" for passage_id, text in transcript.passages)
        refused = "\n".join(f"- {reason}" for reason in reasons)
        parts = [
            transcript.prompt,
            f"Lore:\n{lore or 'none'}",
            f"Earlier attempts were refused:\n{refused}" if refused else "",
            transcript.first_observation,
        ]
        messages = [
            {"role": "system", "content": self._prompt},
            {"role": "user", "content": "\n\n".join(part for part in parts if part)},
        ]
        for turn in transcript.turns:
            messages.append({"role": "assistant", "content": write_step(turn.step)})
            messages.append({"role": "user", "content": turn.observation})
        return messages

    def _ask(self, messages: list[dict[str, str]]) -> str:
        """The text of the answer, after at most `TRIES` tries."""
        why = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            status, body, why = self._post(messages)
            if status == 200:
                return self._text(body)
            if status and status not in _TRY_AGAIN:
                raise self._error(why, fix=f"check teacher_url, teacher_model and {KEY_VARIABLE}")
        raise self._error(
            f"{why} ({TRIES} tries)",
            fix="check collaborate.teacher_url or raise collaborate.teacher_timeout_s",
        )

    def _post(self, messages: list[dict[str, str]]) -> tuple[int, bytes, str]:
        """(HTTP status or 0, body, what went wrong), with a deadline for the whole exchange."""
        import httpx

        body = {"model": self.model, "messages": messages, "temperature": 0}
        deadline, data = time.monotonic() + self.timeout_s, bytearray()
        slow = f"no answer within {self.timeout_s:g} s"
        try:
            with (
                httpx.Client(timeout=self.timeout_s, headers=self._headers) as client,
                client.stream("POST", self.url, json=body) as response,
            ):
                for chunk in response.iter_bytes():
                    data += chunk
                    if time.monotonic() > deadline:
                        return 0, b"", slow
                    if len(data) > MAX_ANSWER_BYTES:
                        return 0, b"", f"an answer of more than {MAX_ANSWER_BYTES} bytes"
            return response.status_code, bytes(data), f"HTTP {response.status_code}"
        except httpx.TimeoutException:
            return 0, b"", slow
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, b"", str(error) or type(error).__name__

    def _text(self, body: bytes) -> str:
        try:
            text = json.loads(body)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise self._error("its answer is no chat completion", fix="check teacher_url")
        return text

    def _error(self, why: str, *, fix: str) -> TeacherError:
        return TeacherError(f"teacher endpoint {self.url}", why=why, fix=fix)


def write_step(step: Step) -> str:
    """The JSON object that an endpoint is asked for."""
    return json.dumps(
        {"reasoning": step.reasoning, "action": step.action, "citations": list(step.citations)}
    )


def read_step(text: str) -> Step | None:
    """The step in an endpoint's answer, or None; a code fence around the object is forgiven."""
    text = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _step(found) if isinstance(found, Mapping) else None


def _step(found: Mapping[str, Any]) -> Step | None:
    reasoning, action = found.get("reasoning"), found.get("action")
    citations = found.get("citations", [])
    plain = isinstance(reasoning, str) and isinstance(action, str) and isinstance(citations, list)
    if not plain or not all(isinstance(citation, str) for citation in citations):
        return None
    reasoning, action = " ".join(str(reasoning).split()), str(action).strip()
    if not reasoning or not action.isprintable() or not action or "<think>" in reasoning:
        return None
    return Step(reasoning, action, tuple(citations))


def open_teacher(domain: Domain, config: CollaborateConfig) -> Teacher:
    """The back end that the configuration names."""
    if config.teacher == "symbolic":
        return SymbolicTeacher(domain)
    if not config.teacher_url or not config.teacher_model:
        raise ConfigError(
            "collaborate.teacher is openai",
            why="it has no endpoint",
            fix="set collaborate.teacher_url and collaborate.teacher_model",
        )
    return EndpointTeacher(
        config.teacher_url, config.teacher_model, timeout_s=config.teacher_timeout_s
    )
