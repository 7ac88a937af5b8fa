"""KFP wrapper of `goldsmith.evaluation.evaluate`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TORCH, install_kfp_package=False)
def evaluate(run: dict, config: dict, model: str) -> str:
    """Score the candidate and the live model on the same games.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `evaluate` of the run's configuration; empty: the profile's.
        model: The candidate.

    Returns:
        The key of the scores.
    """
    from goldsmith.pipeline.step import step

    with step("evaluate", run) as this:
        from goldsmith.evaluation.evaluate import evaluate as score

        return score(this.run, this.section(config), model=model)
