"""Declared ways through the tiers for requests that can wait: cascade, plan and execute."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldsmith.config.load import nearest
from goldsmith.config.serving import PolicySettings
from goldsmith.serving.router.ask import Ask, text_of
from goldsmith.serving.router.credentials import Caller
from goldsmith.serving.router.forward import forward
from goldsmith.serving.router.limits import NOTHING, Amount
from goldsmith.serving.router.refusal import Refusal, bad_request
from goldsmith.serving.router.replica import CHAT_PATH
from goldsmith.serving.router.settle import Result, Usage, finish, refund

if TYPE_CHECKING:
    from goldsmith.serving.router.core import Core

PLAN = (
    "Write the steps that solve the task, at most {most}, one a line, numbered 1. 2. 3. "
    "Write nothing else."
)
STEP = "Step {number} of {count}: {step}\nAnswer with the result of this step only."
_NUMBERED = re.compile(r"^\s*\d+\s*[.):]\s*(.+?)\s*$", re.MULTILINE)
_LONGEST_STEP = 500


def settings_of(core: Core, ask: Ask) -> PolicySettings:
    """The policy that the request names; Refusal (400) if it cannot be had that way."""
    settings = core.config.policies.get(ask.hints.policy)
    if settings is None:
        what = f"unknown policy {ask.hints.policy[:64]!r}"
        fix = nearest(ask.hints.policy[:64], core.config.policies)
        raise bad_request(what, param="x-route-policy", fix=fix)
    if settings.kind == "single":
        return settings
    if ask.stream:
        what = "stream is not possible: the answer is written in several steps"
        raise bad_request(what, param="stream")
    if ask.tiers:
        what = f"policy {ask.hints.policy} chooses the tiers itself"
        raise bad_request(what, param="model", fix='send "model": "auto"')
    return settings


async def answer(core: Core, ask: Ask) -> Result:
    """The whole answer by the request's policy; Refusal."""
    settings = settings_of(core, ask)
    if settings.kind == "single":
        return finish(core, ask, await forward(core, ask, tiers=ask.tiers))
    run = cascade if settings.kind == "cascade" else plan_and_execute
    bill = Bill()
    try:
        result = await run(core, ask, settings, bill)
    finally:
        refund(ask, bill.amount)
    result.document["usage"] = bill.usage()
    result.document["goldsmith"] = {"policy": ask.hints.policy, "steps": bill.steps}
    usage = Usage(bill.tokens_in, bill.tokens_out)
    return result._replace(price_usd=bill.amount.usd, usage=usage)


class Bill:
    """What all calls of one request used."""

    def __init__(self) -> None:
        self.tokens_in = self.tokens_out = 0
        self.usd = 0.0
        self.steps: list[dict[str, Any]] = []

    @property
    def amount(self) -> Amount:
        """In all."""
        return Amount(self.tokens_in + self.tokens_out, self.usd)

    def usage(self) -> dict[str, int]:
        """As OpenAI writes it."""
        return {
            "prompt_tokens": self.tokens_in,
            "completion_tokens": self.tokens_out,
            "total_tokens": self.tokens_in + self.tokens_out,
        }

    def add(self, result: Result, **facts: Any) -> None:
        """One call."""
        self.tokens_in += result.usage.tokens_in
        self.tokens_out += result.usage.tokens_out
        self.usd += result.price_usd
        tier, version = result.leg.tier, result.leg.version
        self.steps.append({"tier": tier, "version": version, "text": result.text, **facts})


async def cascade(core: Core, ask: Ask, settings: PolicySettings, bill: Bill) -> Result:
    """The draft, unless its model was unsure of it: then the next tier's answer, and so on."""
    tiers = [tier for tier in (settings.draft, *settings.escalate) if tier in core.config.tiers]
    if not tiers:
        raise Refusal(503, "no_healthy_endpoint", "no tier of the policy is configured")
    wanted = "logprobs" in ask.body and bool(ask.body["logprobs"])
    body = {**ask.body, "logprobs": True if ask.path == CHAT_PATH else 1}
    for number, tier in enumerate(tiers):
        is_last = number == len(tiers) - 1
        try:
            result = await _call(core, ask, tier, number, ask.body if is_last else body)
        except Refusal as refusal:
            if is_last or refusal.status in (400, 404):
                raise
            continue
        sure = confidence(result.document)
        bill.add(result, confidence=sure)
        if is_last or (sure is not None and sure >= settings.min_confidence):
            break
    if not wanted:
        for choice in result.document["choices"]:
            choice["logprobs"] = None
    return result


def confidence(document: dict[str, Any]) -> float | None:
    """The mean probability of an answer's tokens; None where the engine did not say."""
    logprobs = document["choices"][0].get("logprobs") or {}
    if "content" in logprobs:
        values = [each["logprob"] for each in logprobs["content"] or ()]
    else:
        values = [each for each in logprobs.get("token_logprobs") or () if each is not None]
    return sum(math.exp(value) for value in values) / len(values) if values else None


async def plan_and_execute(core: Core, ask: Ask, settings: PolicySettings, bill: Bill) -> Result:
    """The planner writes the steps, the actor acts each one and sees what came of those before."""
    task = _messages(ask)
    order = {"role": "user", "content": PLAN.format(most=settings.max_steps)}
    plan = await _call(core, ask, settings.planner, 0, _chat(ask, [*task, order]))
    bill.add(plan, role="plan")
    steps = read_steps(plan.text, settings.max_steps)
    talk, result = list(task), plan
    for number, step in enumerate(steps, start=1):
        text = STEP.format(number=number, count=len(steps), step=step)
        talk.append({"role": "user", "content": text})
        result = await _call(core, ask, settings.actor, number, _chat(ask, talk))
        bill.add(result, role="act", step=step)
        talk.append({"role": "assistant", "content": result.text})
    return result._replace(document=_as_asked(ask, result.document))


def read_steps(plan: str, most: int) -> list[str]:
    """The numbered lines of a plan, or the plan as a single step."""
    found = [step[:_LONGEST_STEP] for step in _NUMBERED.findall(plan)]
    return found[:most] or [plan.strip()[:_LONGEST_STEP] or "answer"]


async def _call(core: Core, ask: Ask, tier: str, number: int, body: dict[str, Any]) -> Result:
    """One call within a request: counted at the tier, billed to the request as a whole."""
    path = CHAT_PATH if "messages" in body else ask.path
    part = replace(
        ask,
        request_id=f"{ask.request_id}.{number}",
        caller=Caller(ask.caller.tenant),
        path=path,
        body=body,
        tokens_in=int(len(text_of(body)) * core.reader.tokens_per_character) + 8,
        characters=0,
        reserved=NOTHING,
    )
    return finish(core, part, await forward(core, part, tiers=(tier,)))


def _messages(ask: Ask) -> list[dict[str, Any]]:
    if ask.path == CHAT_PATH:
        return list(ask.body["messages"])
    return [{"role": "user", "content": ask.body["prompt"]}]


def _chat(ask: Ask, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A chat body with the request's settings."""
    left_out = ("prompt", "messages", "logprobs", "top_logprobs", "stop")
    return {k: v for k, v in ask.body.items() if k not in left_out} | {"messages": messages}


def _as_asked(ask: Ask, document: dict[str, Any]) -> dict[str, Any]:
    """A chat answer as a text completion, where that was asked for."""
    if ask.path == CHAT_PATH:
        return document
    choice = document["choices"][0]
    text = {"index": 0, "text": choice["message"]["content"], "logprobs": None}
    text["finish_reason"] = choice.get("finish_reason")
    return {**document, "object": "text_completion", "choices": [text]}
