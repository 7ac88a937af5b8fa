"""Several processes evaluate together: each plays every n-th game of every suite, both models.

The shares depend on the configuration only, so the scores do too.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from itertools import chain, zip_longest
from pathlib import Path

from goldsmith.config.run import EvaluateConfig
from goldsmith.evaluation.benchmarks import Bench
from goldsmith.evaluation.scores import Side, SuiteScores, VerbScore
from goldsmith.tasks.registry import find_domain
from goldsmith.tasks.verification import VerifierPool


def play_shares(
    domain: str, config: EvaluateConfig, directories: Mapping[Side, Path], *, seed: int
) -> tuple[SuiteScores, ...]:
    """Every suite, played by `config.processes` processes with the models in `directories`."""
    shares = [(number, config.processes) for number in range(config.processes)]
    context = multiprocessing.get_context("spawn")  # torch does not survive a fork
    with ProcessPoolExecutor(config.processes, mp_context=context) as pool:
        played = [
            pool.submit(_play, domain, config, dict(directories), seed, share) for share in shares
        ]
        parts = _results(played)
    return tuple(_merged(suites) for suites in zip(*parts, strict=True))


def _play(
    domain: str,
    config: EvaluateConfig,
    directories: dict[Side, Path],
    seed: int,
    share: tuple[int, int],
) -> tuple[SuiteScores, ...]:
    from goldsmith.rollouts.policy import load_policy

    policies = {side: load_policy(directory) for side, directory in directories.items()}
    with VerifierPool() as verifiers:
        return Bench(find_domain(domain), config, verifiers, seed=seed, share=share).play(policies)


def _results(played: Sequence[Future[tuple[SuiteScores, ...]]]) -> list[tuple[SuiteScores, ...]]:
    """What each share gave; the first failure ends all of them at once."""
    done, open_ = wait(played, return_when=FIRST_EXCEPTION)
    if open_:
        for process in multiprocessing.active_children():
            process.kill()
    return [future.result() for future in (done if open_ else played)]


def _merged(parts: Sequence[SuiteScores]) -> SuiteScores:
    """One suite from its shares, tasks in their order."""
    rounds = zip_longest(*(part.tasks for part in parts))
    tasks = tuple(task for task in chain.from_iterable(rounds) if task is not None)
    sides: set[Side] = {side for part in parts for side in part.verbs}
    verbs = {side: _summed([part.verbs[side] for part in parts]) for side in sorted(sides)}
    return parts[0].model_copy(update={"tasks": tasks, "verbs": verbs})


def _summed(parts: Sequence[Mapping[str, VerbScore]]) -> dict[str, VerbScore]:
    names = sorted({name for part in parts for name in part})
    return {
        name: VerbScore(
            expected=sum(part[name].expected for part in parts if name in part),
            done=sum(part[name].done for part in parts if name in part),
        )
        for name in names
    }
