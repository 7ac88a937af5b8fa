"""Bodies are read as OpenAI's reference has them; a mistake is named, and none is guessed at."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin.question import Question, Reader
from goldsmith.serving.builtin.refusal import Refusal

USER = {"role": "user", "content": "look"}
CONTEXT = 64


@pytest.fixture(name="reader", scope="module")
def _reader(policy: Policy) -> Reader:
    return Reader(policy, context=CONTEXT)


def chat(reader: Reader, **fields: Any) -> Question:
    return reader.read(orjson.dumps({"model": "m", "messages": [USER], **fields}), chat=True)


def completion(reader: Reader, **fields: Any) -> Question:
    return reader.read(orjson.dumps({"model": "m", "prompt": "look", **fields}), chat=False)


def test_chat_fills_the_context_by_default(reader: Reader) -> None:
    question = chat(reader)
    assert question.sampling.max_tokens == CONTEXT - len(question.prompt)
    assert question.sampling.temperature == 1.0
    assert not question.stream


def test_completion_is_16_tokens_by_default(reader: Reader) -> None:
    assert completion(reader).sampling.max_tokens == 16


def test_newer_name_of_max_tokens_wins(reader: Reader) -> None:
    assert chat(reader, max_tokens=3, max_completion_tokens=4).sampling.max_tokens == 4


def test_parts_of_text_are_one_text(reader: Reader) -> None:
    parts = [{"type": "text", "text": "lo"}, {"type": "text", "text": "ok"}]
    assert chat(reader, messages=[{"role": "user", "content": parts}]) == chat(reader)


def test_prompt_may_be_tokens(reader: Reader) -> None:
    assert completion(reader, prompt=[5, 6, 7]).prompt == (5, 6, 7)
    assert completion(reader, prompt=[[5, 6, 7]]).prompt == (5, 6, 7)


def test_fields_at_which_nothing_changes_are_taken(reader: Reader) -> None:
    assert chat(reader, n=1, presence_penalty=0, tools=[], user="u", metadata={}) == chat(reader)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"n": 2}, id="n"),
        pytest.param({"tools": [{"type": "function"}]}, id="tools"),
        pytest.param({"response_format": {"type": "json_object"}}, id="response_format"),
        pytest.param({"temperature": 2.5}, id="temperature"),
        pytest.param({"temperature": True}, id="temperature"),
        pytest.param({"temperature": "1"}, id="temperature"),
        pytest.param({"max_tokens": 0}, id="max_tokens"),
        pytest.param({"max_tokens": 1.5}, id="max_tokens"),
        pytest.param({"max_tokens": 10**9}, id="max_tokens"),
        pytest.param({"stop": ["a"] * 5}, id="stop"),
        pytest.param({"stop": [""]}, id="stop"),
        pytest.param({"stop": 1}, id="stop"),
        pytest.param({"seed": 2**63}, id="seed"),
        pytest.param({"top_logprobs": 21, "logprobs": True}, id="top_logprobs"),
        pytest.param({"stream": 1}, id="stream"),
        pytest.param({"stream_options": {"include_usage": True}}, id="stream_options"),
        pytest.param({"model": 1}, id="model"),
        pytest.param({"model": ""}, id="model"),
    ],
)
def test_mistake_names_its_field(fields: dict[str, Any], reader: Reader) -> None:
    with pytest.raises(Refusal) as refused:
        chat(reader, **fields)
    assert refused.value.status == 400
    assert next(iter(fields)) in refused.value.message


@pytest.mark.parametrize("size", [200, 10**6])
def test_long_prompt_is_refused_with_the_limit(size: int, reader: Reader) -> None:
    with pytest.raises(Refusal, match=str(CONTEXT)) as refused:
        chat(reader, messages=[{"role": "user", "content": "look " * size}])
    assert refused.value.code == "context_length_exceeded"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "model", "messages", "prompt", "max_tokens", "temperature", "top_p", "stop", "seed", "logprobs",
    "top_logprobs", "stream", "stream_options", "n", "logit_bias", "tools", "response_format",
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])  # in a new clone it first builds its tables
@given(body=st.dictionaries(st.sampled_from(NAMES), json_values), is_chat=st.booleans())
def test_any_json_is_a_question_or_a_refusal(
    body: dict[str, Any], is_chat: bool, reader: Reader
) -> None:
    whole = {"model": "m", "messages": [USER], "prompt": "look", **body}
    try:
        question = reader.read(orjson.dumps(whole), chat=is_chat)
    except Refusal as refusal:
        assert refusal.status == 400
        return
    assert 0 < len(question.prompt) + question.sampling.max_tokens <= CONTEXT


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(data: bytes, reader: Reader) -> None:
    with pytest.raises(Refusal):
        reader.read(data, chat=True)
