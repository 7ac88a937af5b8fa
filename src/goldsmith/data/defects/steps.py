"""The steps of one trajectory: form, citations, budget, verdict."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from goldsmith.data.defects.catalogue import Problems
from goldsmith.data.trajectories import Trajectory
from goldsmith.tasks.transcript import Step, Transcript, parse_step, render_step

PIECE = re.compile(r"\w{1,4}|[^\w\s]")
"""What one token is taken for: at most four letters, or one sign; text has fewer real tokens."""


def digest(text: str) -> bytes:
    """Eight bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def texts(trajectory: Trajectory) -> Iterator[str]:
    """Every text that a model may see, and the ids."""
    task, transcript = trajectory.task, trajectory.transcript
    yield from (trajectory.trajectory_id, task.task_id, task.prompt, trajectory.outcome.reason)
    yield from task.tags.values()
    for passage_id, text in transcript.passages:
        yield passage_id
        yield text
    yield transcript.first_observation
    for turn in transcript.turns:
        yield from (turn.step.reasoning, turn.step.action, turn.observation)


def steps(trajectory: Trajectory) -> Problems:
    """What is wrong with the steps, each kind told once a step."""
    transcript = trajectory.transcript
    if not transcript.turns:
        yield "no-steps", "the transcript has no turn"
    if transcript.prompt != trajectory.task.prompt:
        yield "prompt-mismatch", "the transcript's prompt is not the task's"
    returned = {passage_id for passage_id, _ in transcript.passages}
    for number, turn in enumerate(transcript.turns, 1):
        for defect, message in _step(turn.step):
            yield defect, f"step {number}: {message}"
        if unknown := set(turn.step.citations) - returned:
            yield "unknown-citation", f"step {number} cites {sorted(unknown)[:3]}"


def _step(step: Step) -> Problems:
    if not step.action.strip():
        yield "empty-action", "it has no action"
    elif len(step.action.splitlines()) > 1:
        yield "multi-line-action", f"{len(step.action.splitlines())} lines in one action"
    elif not step.reasoning.strip():
        yield "empty-reasoning", "it has no reasoning"
    elif "think>" not in render_step(step)[7:].replace("</think>", "", 1):
        read = parse_step(render_step(step))
        if read is None or (read.reasoning, read.action) != (step.reasoning, step.action):
            yield "step-form", "it does not read back as it was written"


def lore(transcript: Transcript, pack: Mapping[str, bytes]) -> Problems:
    """Passages against the data set's lore pack (id to digest of its text; empty: no pack)."""
    ids = [passage_id for passage_id, _ in transcript.passages]
    if not ids:
        yield "no-lore", "A returned nothing"
    if len(set(ids)) < len(ids):
        yield "repeated-passage", "a passage occurs twice"
    for passage_id, text in transcript.passages if pack else ():
        if pack.get(passage_id) != digest(text):
            yield "altered-lore", f"passage {passage_id!r} is not in the lore pack in this form"


def budget(transcript: Transcript, max_tokens: int) -> Problems:
    """Whether the rendered transcript surely fits; a token has at least one character."""
    contents = [message["content"] for message in transcript.messages()]
    if sum(map(len, contents)) > max_tokens:
        count = sum(len(PIECE.findall(content)) for content in contents)
        if count > max_tokens:
            yield "over-token-budget", f"up to {count} tokens, more than {max_tokens}"


def verdict(trajectory: Trajectory) -> Problems:
    """The recorded verdict against itself."""
    outcome, turns = trajectory.outcome, trajectory.transcript.turns
    if not outcome.solved:
        yield "unsolved-trajectory", outcome.reason[:100] or "C did not accept it"
    elif len(outcome.proof) != len(turns) + 1:
        yield "proof-length", f"{len(outcome.proof)} states for {len(turns)} steps"
