"""KFP wrapper of `goldsmith.evaluation.gate`."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def quality_gate(run: dict, config: dict, scores: str, model: str) -> NamedTuple(
    "Decision", [("verdict", str), ("accepted", str)]
):
    """Decide whether the candidate may be served; a verdict, never a failure.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `quality_gate` of the run's configuration; empty: the profile's.
        scores: The key of the scores.
        model: The candidate.

    Returns:
        The verdict's word and what was accepted: the candidate, or what is live.
    """
    from goldsmith.pipeline.step import step

    with step("quality_gate", run) as this:
        from goldsmith.evaluation import gate

        decision = gate.quality_gate(this.run, this.section(config), scores=scores, model=model)
        return (decision.word, decision.accepted)
