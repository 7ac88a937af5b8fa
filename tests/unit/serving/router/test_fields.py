"""Which bodies are taken, and what the others are told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldsmith.serving.router.fields import CHAT, COMPLETION, check_fields
from goldsmith.serving.router.refusal import Refusal

GOOD = {"model": "gold", "messages": [{"role": "user", "content": "look"}]}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def refusal(**changes: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check_fields({**GOOD, **changes}, CHAT)
    return caught.value


def test_a_plain_chat_is_taken() -> None:
    check_fields({**GOOD, "stream": True, "temperature": 0, "stop": ["\n"], "seed": None}, CHAT)


def test_parts_of_text_are_taken() -> None:
    parts = [{"type": "text", "text": "look"}]
    check_fields({**GOOD, "messages": [{"role": "user", "content": parts}]}, CHAT)


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    found = refusal(max_token=3)
    assert (found.status, found.code, found.param) == (400, "unknown_field", "max_token")
    assert "did you mean max_tokens?" in str(found)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("max_tokens", True, id="bool as int"),
        pytest.param("max_tokens", 0, id="no tokens"),
        pytest.param("max_tokens", 1.5, id="half a token"),
        pytest.param("temperature", float("nan"), id="nan"),
        pytest.param("temperature", "hot", id="text"),
        pytest.param("n", 2, id="two answers"),
        pytest.param("n", True, id="one as bool"),
        pytest.param("stop", [""], id="empty stop"),
        pytest.param("stop", ["x"] * 17, id="too many stops"),
        pytest.param("stream", 1, id="stream as int"),
        pytest.param("stream_options", {"continuous": True}, id="other stream option"),
        pytest.param("messages", [], id="no messages"),
        pytest.param("messages", [{"role": "root", "content": "x"}], id="unknown role"),
        pytest.param("messages", [{"role": "user", "content": 1}], id="content of a number"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(field: str, value: Any) -> None:
    found = refusal(**{field: value})
    assert (found.status, found.param) == (400, field)


def test_an_image_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}
    found = refusal(messages=[{"role": "user", "content": [image]}])
    assert found.param == "messages"


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(Refusal, match="prompt is missing"):
        check_fields({"model": "gold"}, COMPLETION)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(CHAT)), value=JSON)
def test_any_value_of_any_field_is_taken_or_refused(name: str, value: Any) -> None:
    try:
        check_fields({**GOOD, name: value}, CHAT)
    except Refusal as found:
        assert found.status == 400
