"""`quality_gate`: promote, hold or reject a candidate, from its paired scores against what is live.

Target suite      promote only if the paired interval of (candidate - live) avg@k lies above 0.
Regression suite  non-inferiority: the interval must lie above -margin. The margin is declared, and
                  at least 4 standard errors of live against itself, or identical models would be
                  held by chance; a smaller one cannot promote.
Reject            a target interval below -reject_drop, or a regression interval below -margin.

Promotion needs every suite, so no correction for their number is due: a candidate that gains
nothing passes the target suite with probability (1 - confidence) / 2 at most. Scores that cannot
be read or do not match hold, with the reason; nothing here raises over scores.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ValidationError

from goldsmith.config.run import QualityGateConfig, RunContext
from goldsmith.errors import IntegrityError, NotFoundError
from goldsmith.evaluation.judgement import SuiteJudgement, Word, judge, problems_of, repeated
from goldsmith.evaluation.scores import Scores

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """The gate's word, why, and the judgement of each suite that could be read."""

    word: Word
    reasons: tuple[str, ...]
    suites: tuple[SuiteJudgement, ...] = ()
    accepted: str = ""
    """Model reference that later steps take: the candidate if promoted, else what is live."""


def decide(scores: object, config: QualityGateConfig, *, seed: int) -> Verdict:
    """The verdict on a scores document (`Scores`, or the JSON value of one); never raises."""
    try:
        document = Scores.model_validate(scores)
    except ValidationError as error:
        return Verdict("hold", tuple(f"scores cannot be read: {line}" for line in _lines(error)))
    problems = _problems(document)
    if problems:
        return Verdict("hold", tuple(problems))
    judgements = tuple(
        judge(suite, config, seed=seed + index) for index, suite in enumerate(document.suites)
    )
    words = {judgement.word for judgement in judgements}
    word: Word = "reject" if "reject" in words else "hold" if "hold" in words else "promote"
    ordered = sorted(judgements, key=lambda judgement: judgement.word != word)
    return Verdict(word, tuple(judgement.reason for judgement in ordered), judgements)


def quality_gate(run: RunContext, config: QualityGateConfig, *, scores: str, model: str) -> Verdict:
    """Judge the scores under a store key; write runs/<run_id>/gate.json; the verdict, `accepted`.

    A promoted run goes on with `model`, any other with the model that is live.
    """
    from goldsmith.store.layout import run_key
    from goldsmith.store.manifest import seal, unseal
    from goldsmith.store.object_store import open_store
    from goldsmith.store.steps import once

    store = open_store(run.store)
    key = run_key(run.run_id, "gate.json")

    def work() -> dict[str, Any]:
        try:
            document = unseal(store.get(scores), key=scores)
        except (NotFoundError, IntegrityError) as error:
            document = {}
            verdict = Verdict("hold", (f"scores cannot be read: {error}",))
        else:
            verdict = decide(document, config, seed=run.seed)
        accepted = model if verdict.word == "promote" else str(document.get("live", ""))
        verdict = replace(verdict, accepted=accepted)
        sealed = {"kind": "gate", "run_id": run.run_id, "scores": scores, "model": model}
        settings = config.model_dump(mode="json")
        store.create(key, seal({**sealed, "config": settings, **asdict(verdict)}))
        for reason in verdict.reasons:
            logger.info("%s: %s", verdict.word, reason)
        return {"verdict": verdict.word, "accepted": accepted, "gate": key}

    inputs = {"config": config.model_dump(mode="json"), "scores": scores, "model": model}
    once(run, "quality_gate", {**inputs, "seed": run.seed}, work)
    return verdict_of(unseal(store.get(key), key=key))


def verdict_of(document: dict[str, Any]) -> Verdict:
    """The verdict in a gate.json document."""
    suites = tuple(SuiteJudgement(**suite) for suite in document["suites"])
    return Verdict(document["word"], tuple(document["reasons"]), suites, document["accepted"])


def _problems(document: Scores) -> list[str]:
    """Why these scores cannot be judged; empty if they can."""
    suites = document.suites
    problems = []
    if not any(suite.role == "target" for suite in suites):
        problems.append("scores hold no target suite, so no gain can be shown")
    if document.candidate and document.candidate == document.live:
        problems.append(f"the candidate {document.candidate} is what is live already")
    for name in repeated([suite.name for suite in suites]):
        problems.append(f"suite {name} is there twice")
    return problems + [problem for suite in suites for problem in problems_of(suite)]


def _lines(error: ValidationError, *, limit: int = 5) -> list[str]:
    """The first few findings of pydantic, each with its place in the document."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    places = [".".join(str(part) for part in item["loc"]) or "document" for item in found]
    lines = [f"{place}: {item['msg']}" for place, item in zip(places, found, strict=True)]
    return lines[:limit] + ([f"{len(lines) - limit} more"] if len(lines) > limit else [])
