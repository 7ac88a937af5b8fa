"""Runs the engine as a process: loads the model, serves, and drains when it is told to end."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop

from goldsmith.rollouts.policy import Policy, load_policy
from goldsmith.serving.builtin.adapters import Adapters
from goldsmith.serving.builtin.app import App
from goldsmith.serving.builtin.batch import Batch
from goldsmith.serving.builtin.lora import layer_shapes
from goldsmith.serving.builtin.worker import Worker

logger = logging.getLogger(__name__)

_WARM_TOKENS = 256


@dataclass(frozen=True)
class ServerOptions:
    """What the command line says."""

    model: Path
    names: tuple[str, ...]
    host: str
    port: int
    slots: int
    context: int
    """Tokens of prompt and answer together; never more than the model's own."""
    adapters_root: Path | None
    max_loras: int
    max_lora_rank: int
    drain_s: float


class DrainingServer(uvicorn.Server):
    """Ends on SIGTERM only when nothing runs any more, or when the time for that is over."""

    def __init__(self, config: uvicorn.Config, app: App, *, drain_s: float) -> None:
        super().__init__(config)
        self._app, self._drain_s = app, drain_s
        self._deadline = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one ends at once."""
        if self._app.draining:
            self.should_exit = self.force_exit = True
        self._app.draining = True
        self._deadline = time.monotonic() + self._drain_s

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked every 0.1 s."""
        app = self._app
        over = app.in_flight == 0 or time.monotonic() > self._deadline
        if app.worker.broken or (app.draining and over):
            self.should_exit = True
        return await super().on_tick(counter)


def serve(options: ServerOptions) -> int:
    """Serve until a signal; the exit status."""
    logger.info("Loading model (%s)", options.model)
    policy = load_policy(options.model)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(policy, options))


async def _serve(policy: Policy, options: ServerOptions) -> int:
    context = min(options.context or policy.max_tokens, policy.max_tokens)
    shapes = layer_shapes(policy.model)
    batch = Batch(
        policy,
        places=options.slots,
        context=context,
        adapters=options.adapters_root is not None,
    )
    _warm(batch, policy, context=context)
    worker = Worker(batch, asyncio.get_running_loop())
    adapters = Adapters(
        options.adapters_root,
        shapes=shapes,
        most=options.max_loras,
        max_rank=options.max_lora_rank,
        reserved=options.names,
    )
    app = App(policy, worker, adapters, names=options.names, context=context, places=options.slots)
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    worker.start()
    await DrainingServer(config, app, drain_s=options.drain_s).serve()
    worker.stop()
    await asyncio.to_thread(worker.join, 5.0)
    return 1 if worker.broken else 0


def _warm(batch: Batch, policy: Policy, *, context: int) -> None:
    """Pay for what a first pass sets up before anybody asks."""
    batch.join((policy.pad_id,) * min(_WARM_TOKENS, context - 1), None)
    batch.step([policy.pad_id])
    batch.leave(0)
