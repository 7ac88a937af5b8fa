"""The engine's HTTP routes, as a raw ASGI application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from goldsmith.rollouts.policy import Policy
from goldsmith.serving.builtin import fields
from goldsmith.serving.builtin.adapters import Adapters
from goldsmith.serving.builtin.question import Question, Reader
from goldsmith.serving.builtin.refusal import Refusal
from goldsmith.serving.builtin.reply import Reply
from goldsmith.serving.builtin.rows import Failure, Row, Token
from goldsmith.serving.builtin.worker import Worker

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[bytes, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 8 << 20
MAX_WAITING = 1024
"""Requests that wait for a place; more are refused."""


class App:
    """One model's server; `draining` makes it refuse what is new and finish what runs."""

    def __init__(
        self,
        policy: Policy,
        worker: Worker,
        adapters: Adapters,
        *,
        names: tuple[str, ...],
        context: int,
        places: int,
    ) -> None:
        self._policy, self.worker, self._adapters = policy, worker, adapters
        self._names, self._context = names, context
        self._reader = Reader(policy, context=context)
        self._capacity = places * context
        self._created = int(time.time())
        self.draining = False
        self.in_flight = 0
        self._routes: dict[str, tuple[str, Handler]] = {
            "/v1/chat/completions": ("POST", self._chat),
            "/v1/completions": ("POST", self._completion),
            "/v1/models": ("GET", self._models),
            "/v1/load_lora_adapter": ("POST", self._load),
            "/v1/unload_lora_adapter": ("POST", self._unload),
            "/health": ("GET", self._health),
            "/metrics": ("GET", self._metrics),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            handler = self._route(scope["path"], scope["method"])
            await handler(await _read_body(receive), receive, send)
        except Refusal as refusal:
            await _send_json(send, refusal.body(), status=refusal.status)
        except _Gone:
            return

    def _route(self, path: str, method: str) -> Handler:
        if path not in self._routes:
            raise Refusal(404, f"there is no {path}", code="not_found")
        expected, handler = self._routes[path]
        if method != expected:
            raise Refusal(405, f"{path} takes {expected}", code="method_not_allowed")
        return handler

    async def _chat(self, data: bytes, receive: Receive, send: Send) -> None:
        await self._answer(self._reader.read(data, chat=True), receive, send)

    async def _completion(self, data: bytes, receive: Receive, send: Send) -> None:
        await self._answer(self._reader.read(data, chat=False), receive, send)

    async def _answer(self, question: Question, receive: Receive, send: Send) -> None:
        row, model = self._row(question), self._served(question.model)
        reply = Reply(question, model, self._policy)
        async with self._decoding(row, receive):
            if question.stream:
                await _stream(row, reply, send)
            else:
                await _send_whole(row, reply, send)

    def _row(self, question: Question) -> Row:
        """The question as a row that holds its adapter from now on; Refusal if not now."""
        if self.draining or self.worker.broken:
            raise Refusal(503, "the engine is shutting down: ask another one", code="draining")
        if self.worker.waiting >= MAX_WAITING:
            raise Refusal(503, f"{MAX_WAITING} requests wait: come back later", code="overloaded")
        adapter = self._adapters.get(question.model)
        if adapter is None and question.model not in self._names:
            known = ", ".join([*self._names, *self._adapters.names()])
            why = f"the model '{question.model[:128]}' does not exist; there is {known}"
            raise Refusal(404, why, param="model", code="model_not_found")
        sampling = question.sampling
        return Row(self._policy, prompt=question.prompt, adapter=adapter, sampling=sampling)

    def _served(self, model: str) -> str:
        """The name in the answer: an adapter's own, or the base model's first one."""
        return self._names[0] if model in self._names else model

    @asynccontextmanager
    async def _decoding(self, row: Row, receive: Receive) -> Any:
        """Decode a row until the end or until the client is gone."""
        self.in_flight += 1
        watch = asyncio.create_task(self._watch(row, receive))
        self.worker.submit(row)
        try:
            yield
        finally:
            watch.cancel()
            self.worker.cancel(row)
            self.in_flight -= 1

    async def _watch(self, row: Row, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.worker.cancel(row)
        row.events.put_nowait(Failure(""))

    async def _models(self, data: bytes, receive: Receive, send: Send) -> None:
        base = {"object": "model", "created": self._created, "owned_by": "goldsmith"}
        models = [
            {"id": name, **base, "parent": None, "max_model_len": self._context}
            for name in self._names
        ]
        models += [
            {"id": name, **base, "parent": self._names[0], "max_model_len": self._context}
            for name in self._adapters.names()
        ]
        await _send_json(send, {"object": "list", "data": models})

    async def _load(self, data: bytes, receive: Receive, send: Send) -> None:
        body = fields.read_object(data)
        name = fields.text(body, "lora_name")
        await self._adapters.load(name, fields.text(body, "lora_path"))
        await _send(send, f"Success: LoRA adapter '{name}' added successfully.".encode())

    async def _unload(self, data: bytes, receive: Receive, send: Send) -> None:
        name = fields.text(fields.read_object(data), "lora_name")
        self._adapters.unload(name)
        await _send(send, f"Success: LoRA adapter '{name}' removed successfully.".encode())

    async def _health(self, data: bytes, receive: Receive, send: Send) -> None:
        if self.draining or self.worker.broken:
            raise Refusal(503, self.worker.broken or "shutting down", code="draining")
        await _send(send, b"")

    async def _metrics(self, data: bytes, receive: Receive, send: Send) -> None:
        worker = self.worker
        figures = [
            ("num_requests_running", "gauge", worker.running),
            ("num_requests_waiting", "gauge", worker.waiting),
            ("kv_cache_usage_perc", "gauge", worker.tokens / self._capacity),
            ("prompt_tokens_total", "counter", worker.prompt_tokens),
            ("generation_tokens_total", "counter", worker.generated_tokens),
        ]
        label = self._names[0]
        text = "".join(
            f'# TYPE vllm:{name} {kind}\nvllm:{name}{{model_name="{label}"}} {float(value)}\n'
            for name, kind, value in figures
        )
        await _send(send, text.encode(), content_type=b"text/plain; version=0.0.4")


class _Gone(Exception):
    """The client left: there is nobody to answer."""


async def _next(row: Row) -> Token:
    event = await row.events.get()
    if isinstance(event, Token):
        return event
    if not event.why:
        raise _Gone
    raise Refusal(500, f"the engine broke: {event.why}", code="engine_broken")


async def _send_whole(row: Row, reply: Reply, send: Send) -> None:
    tokens = [await _next(row)]
    while not tokens[-1].finish_reason:
        tokens.append(await _next(row))
    await _send(send, reply.whole(tokens), content_type=b"application/json")


async def _stream(row: Row, reply: Reply, send: Send) -> None:
    """Events; the headers wait for the first token, so that a refusal can still be a status."""
    token = await _next(row)
    await send(_start(200, [(b"content-type", b"text/event-stream; charset=utf-8")]))
    await send(_part(reply.first() + reply.event(token)))
    count = 1
    try:
        while not token.finish_reason:
            token = await _next(row)
            count += 1
            if data := reply.event(token):
                await send(_part(data))
    except Refusal as refusal:
        await send(_part(b"data: " + orjson.dumps(refusal.body()) + b"\n\n", more=False))
        return
    await send(_part(reply.last(count), more=False))


async def _read_body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


async def _send_json(send: Send, body: dict[str, Any], *, status: int = 200) -> None:
    await _send(send, orjson.dumps(body), status=status, content_type=b"application/json")


async def _send(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: bytes = b"text/plain; charset=utf-8",
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send(_start(status, headers))
    await send(_part(body, more=False))


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
