"""What engines answer is read whatever shape they choose, and nonsense is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from goldsmith.serving.engines import answers

METRICS = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="gold"} 2.0
vllm:num_requests_running{engine="1",model_name="gold"} 1.0
vllm:num_requests_waiting{engine="0",model_name="gold"} 4.0
vllm:num_requests_waiting{engine="1",model_name="gold"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="gold",reason="capacity"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="gold"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="gold"} 0.5
"""


def test_load_is_summed_over_engine_cores() -> None:
    load = answers.read_vllm_load(METRICS, kv_use=("vllm:kv_cache_usage_perc",))
    assert load == answers.LoadFigures(running=3, waiting=4, kv_use=0.5)


def test_metrics_without_load_are_refused() -> None:
    with pytest.raises(ValueError, match="num_requests_running"):
        answers.read_vllm_load(b"process_cpu_seconds_total 1.0\n", kv_use=())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"error": {"message": "too long"}}', "too long", id="OpenAI"),
        pytest.param(b'{"object": "error", "message": "bad"}', "bad", id="flat"),
        pytest.param(b'{"error": "not\\npermitted"}', "not permitted", id="bare"),
        pytest.param(b'{"detail": "Not Found"}', "Not Found", id="FastAPI"),
        pytest.param(b"upstream\nreset", "upstream reset", id="text"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"[1]", "[1]", id="list"),
    ],
)
def test_error_is_read_in_every_shape(body: bytes, message: str) -> None:
    assert answers.read_error(body) == message


def test_events_skip_comments_and_end_at_done() -> None:
    lines = [b": ping\n", b"\n", b'data: {"a": 1} \n', b"\n", b"data: [DONE]\n", b"data: {}\n"]
    assert asyncio.run(_events(lines)) == [{"a": 1}]


def test_event_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="no object"):
        asyncio.run(_events([b"data: 3\n"]))


def test_usage_after_the_last_text_completes_the_last_piece() -> None:
    last = answers.read_piece(
        {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}, before=None
    )
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    assert answers.read_piece(usage, before=last) == answers.Piece("b", "stop", 5, 2)


def test_error_inside_a_stream_is_raised_in_its_own_words() -> None:
    with pytest.raises(answers.StreamedError, match="out of memory"):
        answers.read_piece({"error": {"message": "out of memory"}}, before=None)


async def _events(lines: list[bytes]) -> list[dict[str, object]]:
    async def each() -> AsyncIterator[bytes]:
        for line in lines:
            yield line

    return [event async for event in answers.read_events(each())]
