"""The decoding thread serves many, drops who left, and tells everybody when the model breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import torch

from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin.batch import Batch
from goldsmith.serving.builtin.rows import Failure, Row, Token
from goldsmith.serving.builtin.sampling import Sampling
from goldsmith.serving.builtin.worker import Worker


class BreakingBatch(Batch):
    """A batch whose model fails at the third pass."""

    passes = 0

    def step(self, tokens: list[int]) -> torch.Tensor:
        self.passes += 1
        if self.passes == 3:
            raise RuntimeError("out of memory")
        return super().step(tokens)


def row(policy: Policy, *, max_tokens: int = 8) -> Row:
    sampling = Sampling(max_tokens, temperature=0)
    return Row(policy, prompt=(5, 6, 7), adapter=None, sampling=sampling)


def run(batch: Batch, work: Callable[[Worker], Awaitable[None]]) -> None:
    async def whole() -> None:
        worker = Worker(batch, asyncio.get_running_loop())
        worker.start()
        try:
            await asyncio.wait_for(work(worker), 30)
        finally:
            worker.stop()
            await asyncio.to_thread(worker.join)

    asyncio.run(whole())


async def tokens(row: Row) -> list[Token]:
    found = []
    while not found or not found[-1].finish_reason:
        event = await row.events.get()
        assert isinstance(event, Token)
        found.append(event)
    return found


def test_every_row_gets_all_of_its_answer(policy: Policy) -> None:
    async def work(worker: Worker) -> None:
        rows = [row(policy, max_tokens=1 + number % 7) for number in range(11)]
        for each in rows:
            worker.submit(each)
        answers = await asyncio.gather(*map(tokens, rows))
        longest = [token.choice.token for token in max(answers, key=len)]
        for each, answer in zip(rows, answers, strict=True):
            assert [token.choice.token for token in answer] == longest[: len(answer)]
            assert len(answer) == each.sampling.max_tokens or answer[-1].finish_reason == "stop"
        assert (worker.running, worker.waiting, worker.tokens) == (0, 0, 0)

    run(Batch(policy, places=3, context=64, adapters=False), work)


def test_cancelled_rows_give_up_their_places(policy: Policy) -> None:
    endless = Policy(policy.model, policy.tokenizer)
    endless.eos_ids = frozenset()

    async def work(worker: Worker) -> None:
        gone = [row(endless, max_tokens=10**6) for _ in range(3)]
        for each in gone:
            worker.submit(each)
        for each in gone[:2]:
            await each.events.get()
        for each in gone:  # the third one waits
            worker.cancel(each)
        last = row(policy)
        worker.submit(last)
        assert await tokens(last)
        assert gone[2].events.empty()

    run(Batch(policy, places=2, context=1024, adapters=False), work)


def test_broken_model_fails_every_row_and_later_ones(policy: Policy) -> None:
    async def work(worker: Worker) -> None:
        rows = [row(policy, max_tokens=50) for _ in range(3)]
        for each in rows:
            worker.submit(each)
        for each in rows:
            while not isinstance(event := await each.events.get(), Failure):
                pass
            assert "out of memory" in event.why
        assert "out of memory" in worker.broken
        late = row(policy)
        worker.submit(late)
        assert isinstance(await late.events.get(), Failure)

    run(BreakingBatch(policy, places=2, context=64, adapters=False), work)
